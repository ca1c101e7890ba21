"""The one cookie: set when somebody signs in, taken back when they sign out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from engine.people.sessions import COOKIE

__all__ = ["forget_session", "keep_session"]


def keep_session(response: Response, request: Request, token: str, *, max_age_s: int) -> None:
    """Give the browser a session: no script reads it, and no other site sends it along."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=max_age_s,
        path=_path(request),
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def forget_session(response: Response, request: Request) -> None:
    """Take the cookie back."""
    response.delete_cookie(
        COOKIE,
        path=_path(request),
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def _path(request: Request) -> str:
    return str(request.scope.get("root_path", "")) or "/"


def _is_secure(request: Request) -> bool:
    return bool(getattr(request.state, "is_secure", False))
