"""The door of the one port: in front of every page, route and websocket, whoever answers behind it.

For each request it finds out who asks (:mod:`api.identity`), which action that takes
(:mod:`api.rules`; what stands in no rule is refused), whether a page of ours sends it
(:mod:`api.origins`) and how often (:mod:`api.rates`). Behind the door, the actor stands in
``request.state.actor``. Whatever fails is answered with a sentence, never with a stack trace.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.addresses import Seen, address_group, see
from api.asking import Threads
from api.headers import with_headers
from api.identity import Identified, Identity
from api.inside import is_from_inside
from api.origins import is_from_own_page
from api.own_paths import own_path
from api.pages.notices import problem_page
from api.pages.wanted import wants_page
from api.probes import status_only
from api.problems import Problem, problem_of, response_of
from api.rates import Rates
from api.rules import WEBSOCKET, Rule, find_rule, methods_at
from engine.errors import NotAllowedError, NotFoundError, NotSignedInError, TooLargeError
from engine.people.permissions import allowed, require
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.workbench import Workbench

__all__ = ["Door", "inner_path"]

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CLOSED: Final = 4401  # in the range for applications, after HTTP's 401
_ASK_AGAIN_S: Final = 5.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One request as the door sees it."""

    method: str
    path: str
    headers: Headers
    seen: Seen
    rule: Rule | None


@final
class Door:
    """ASGI middleware over everything; put it outside of all other applications."""

    def __init__(
        self, app: ASGIApp, *, settings: Settings, workbench: Callable[[], Workbench]
    ) -> None:
        self._app = app
        self._settings = settings
        self._identity = Identity(workbench, settings)
        self._rates = Rates(settings)
        # Threads of its own: those of the applications may all wait for their turn.
        self._threads = Threads(8)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        method = WEBSOCKET if scope["type"] == "websocket" else scope["method"]
        asked = _Asked(
            method=method,
            path=inner_path(scope),
            headers=Headers(scope=scope),
            seen=see(scope, proxies=self._settings.trusted_proxies),
            rule=find_rule(method, inner_path(scope)),
        )
        if method == WEBSOCKET:
            await self._websocket(asked, scope, receive, send)
        else:
            await self._http(asked, scope, receive, send)

    async def _http(self, asked: _Asked, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        told = with_headers(note, asked.headers, asks_for_sign_in=self._settings.auth)
        try:
            who = await self._identify(asked)
            self._admit(asked, who)
            inner = _for_inside(scope, asked, who)
            body = _limited(receive, asked)
            is_short = self._is_short(asked, who)
            await self._app(inner, body, status_only(told) if is_short else told)
        except Exception as error:
            if has_begun:  # too late for another answer
                raise
            await self._refusal(error, asked, scope)(scope, receive, told)

    async def _websocket(self, asked: _Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a websocket in, and close it when the session that it came with is over."""
        try:
            who = await self._identify(asked)
            self._admit(asked, who)
        except Exception as error:  # noqa: BLE001 – problem_of logs what it does not know
            problem_of(error)
            await receive()
            await send({"type": "websocket.close", "code": _CLOSED})
            return
        last = time.monotonic()

        async def watched() -> Message:
            nonlocal last
            message = await receive()
            is_due = time.monotonic() - last >= _ASK_AGAIN_S
            if who.means == "cookie" and message["type"] == "websocket.receive" and is_due:
                last = time.monotonic()
                if (await self._identify(asked)).actor.id != who.actor.id:
                    await send({"type": "websocket.close", "code": _CLOSED})
                    return {"type": "websocket.disconnect", "code": _CLOSED}
            return message

        await self._app(_for_inside(scope, asked, who), watched, send)

    async def _identify(self, asked: _Asked) -> Identified:
        address = asked.seen.address
        if asked.path == "/metrics" and self._identity.may_read_figures(asked.headers):
            return self._identity.collector(address)
        if not self._settings.auth:
            return self._identity.of(asked.headers, address=address)
        if asked.method == "GET" and _is_our_own(asked):
            return self._identity.ourselves(address)
        return await self._threads.run(lambda: self._identity.of(asked.headers, address=address))

    def _admit(self, asked: _Asked, who: Identified) -> None:
        """Return when the request may pass; raise the error that says why not."""
        rule = asked.rule
        self._require_own_page(asked, who)
        if rule is None:
            if not who.actor.is_signed_in:
                raise NotSignedInError("You must be signed in here; sign in first.")
            raise NotFoundError("There is nothing at this address.")
        self._count(rule, asked, who)
        if who.refused and who.means == "token" and rule.action is not None:
            raise NotSignedInError("The token is not valid, or not any more; sign in again.")
        if rule.action is not None and rule.kind != "probe":
            require(who.actor, rule.action)
        length = asked.headers.get("content-length", "")
        if rule.body_limit is not None and length.isdigit() and int(length) > rule.body_limit:
            raise _too_large(rule.body_limit)

    def _count(self, rule: Rule, asked: _Asked, who: Identified) -> None:
        """Count the request of a person, or of an address where nobody is signed in.

        Where the demonstrations are open to all, many visitors may share a proxy's address; they
        have a queue of their own that says when it is full.
        """
        if rule.rate is None or (rule.by_strangers and who.means == "open"):
            return
        is_known = who.means in ("cookie", "token") and who.actor.is_signed_in
        group = address_group(asked.seen.address)
        self._rates.take(rule.rate, f"user {who.actor.id}" if is_known else group)

    def _require_own_page(self, asked: _Asked, who: Identified) -> None:
        """Refuse what a stranger's page makes a browser send; a token is not sent by itself."""
        if asked.method in _SAFE or who.means == "token":
            return
        if who.means == "open" and asked.rule is not None and asked.rule.by_strangers:
            return
        if not is_from_own_page(
            asked.headers,
            allowed=self._settings.allowed_origins,
            must_say=asked.method == WEBSOCKET and self._settings.auth,
        ):
            raise NotAllowedError(
                "This request comes from a page of another server; use the pages of this one. "
                "Behind a reverse proxy, let it pass the Host header on."
            )

    def _is_short(self, asked: _Asked, who: Identified) -> bool:
        """Return whether only the status may be told."""
        rule = asked.rule
        if rule is None or rule.kind != "probe" or rule.action is None:
            return False
        return not allowed(who.actor, rule.action)

    def _refusal(self, error: Exception, asked: _Asked, scope: Scope) -> Response:
        is_page = wants_page(asked.headers, asked.method, is_page=_is_page(asked.rule))
        root = scope.get("root_path", "")
        if isinstance(error, NotSignedInError) and is_page:
            return RedirectResponse(_sign_in_address(scope, root), status_code=303)
        known = methods_at(asked.path)
        if isinstance(error, NotFoundError) and asked.rule is None and known:
            return _wrong_method(asked.method, known)
        if is_page:
            return problem_page(problem_of(error), root=root)
        return response_of(error)


def _is_our_own(asked: _Asked) -> bool:
    """Return whether this process reads one of its own Gradio pages."""
    rule = asked.rule
    return rule is not None and rule.by_strangers and is_from_inside(asked.headers)


def inner_path(scope: Scope) -> str:
    """Return the path without the part under which a reverse proxy shows the server."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def _for_inside(scope: Scope, asked: _Asked, who: Identified) -> Scope:
    client = scope.get("client")
    state = {**scope.get("state", {}), "actor": who.actor, "session": who.session}
    state["is_secure"] = asked.seen.is_secure
    return {
        **scope,
        "state": state,
        "scheme": asked.seen.scheme,
        "client": (asked.seen.address, client[1]) if client else None,
    }


def _limited(receive: Receive, asked: _Asked) -> Receive:
    """Return ``receive`` that stops when more comes than the rule allows."""
    limit = asked.rule.body_limit if asked.rule else None
    if limit is None:
        return receive
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise _too_large(limit)
        return message

    return counted


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"The request is longer than the limit of {limit / 1000:.0f} kB here; send less."
    )


def _is_page(rule: Rule | None) -> bool:
    return rule is not None and rule.kind == "page"


def _sign_in_address(scope: Scope, root: str) -> str:
    path = str(scope["path"])
    shown = path if not root or path.startswith(f"{root}/") else root + path
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = own_path(quote(shown) + (f"?{query}" if query else ""), otherwise="")
    if wanted in ("", f"{root}/"):
        return f"{root}/login"
    return f"{root}/login?next={quote(wanted, safe='/')}"


def _wrong_method(method: str, known: tuple[str, ...]) -> Response:
    problem = Problem(
        status=405,
        code="wrong_method",
        message=f"This address takes {' or '.join(known)}, but {method[:10]} came.",
        headers={"Allow": ", ".join(known)},
    )
    return JSONResponse(problem.document, status_code=405, headers=problem.headers)
