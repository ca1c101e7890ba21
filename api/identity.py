"""Who sends a request: the visitor of an open server, a signed-in person, a program, or nobody."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, final

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from engine.people.actors import NOBODY, SYSTEM, VISITOR, Actor
from engine.people.sessions import COOKIE
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.workbench import Workbench

__all__ = ["Identified", "Identity"]

_SCHEME: Final = "bearer "

Means = Literal["open", "cookie", "token", "nothing"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """``actor`` and how we know: ``open`` (a server without sign-in), ``cookie``, ``token``.

    ``session`` is the cookie's value, whatever it is worth; ``refused`` says that a token or
    cookie came and is worth nothing.
    """

    actor: Actor
    means: Means
    session: str = ""
    refused: bool = False


@final
class Identity:
    """Tells who asks. Reads the store, so call it from a thread.

    Parameters
    ----------
    workbench
        Returns the open parts; asked only when somebody shows a cookie or token.
    settings
        Whether sign-in is asked for, and the token for figures.
    """

    def __init__(self, workbench: Callable[[], Workbench], settings: Settings) -> None:
        self._workbench = workbench
        self._settings = settings

    def of(self, headers: Headers, *, address: str) -> Identified:
        """Return who sends a request with these headers; a token goes before a cookie."""
        if not self._settings.auth:
            return Identified(actor=replace(VISITOR, address=address), means="open")
        nobody = replace(NOBODY, address=address)
        shown = headers.get("authorization", "")
        if shown.lower().startswith(_SCHEME):
            token = shown[len(_SCHEME) :].strip()
            actor = self._workbench().tokens.actor_of(token) if token else None
            if actor is None:
                return Identified(actor=nobody, means="token", refused=True)
            return Identified(actor=replace(actor, address=address), means="token")
        session = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        if not session:
            return Identified(actor=nobody, means="nothing")
        actor = self.of_session(session, address=address)
        if actor is None:
            return Identified(actor=nobody, means="cookie", session=session, refused=True)
        return Identified(actor=actor, means="cookie", session=session)

    def of_session(self, session: str, *, address: str) -> Actor | None:
        """Return whose session it is; ``None`` when it is over, or never was one."""
        return self._workbench().sessions.actor_of(session, address=address)

    def may_read_figures(self, headers: Headers) -> bool:
        """Return whether the token for figures alone is shown."""
        wanted, shown = self._settings.metrics_token, headers.get("authorization", "")
        if not wanted or not shown.lower().startswith(_SCHEME):
            return False
        return hmac.compare_digest(shown[len(_SCHEME) :].strip().encode(), wanted.encode())

    @staticmethod
    def ourselves(address: str) -> Identified:
        """Return this process, which reads its own pages for agents."""
        actor = replace(SYSTEM, id="inside", name="Lightbox itself", address=address)
        return Identified(actor=actor, means="token")

    @staticmethod
    def collector(address: str) -> Identified:
        """Return the program that collects figures."""
        actor = replace(SYSTEM, id="collector", name="Collector of figures", address=address)
        return Identified(actor=actor, means="token")
