"""The door in front of a mounted Gradio application.

Gradio answers more than a demonstration should offer (files by path, a proxy, saved sessions), says
500 to a wrong name, lets callers hang on a full queue, and keeps uploads on disk. The gate

- lets through only the paths that the page, ``gradio_client`` and agents need,
- reads bodies with a limit and checks names and types before an event joins the queue (422),
- answers 429 with ``Retry-After`` when the house is full,
- hands uploads to the application's own keeper instead of Gradio's folder,
- adds headers that keep the page from talking to anybody else.

It knows nothing of what an endpoint computes.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import gradio as gr
from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import bodies
from api.problems import problem_of, response_of
from engine.errors import BusyError, RequestError
from ui_gradio.admission import Admission
from ui_gradio.frame import NOTHING_HERE
from ui_gradio.vault import PREFIX, Vault

__all__ = ["Gate", "GateRules", "TakeUpload", "into_vault"]

TakeUpload = Callable[[Headers, AsyncIterator[bytes]], Awaitable[list[str]]]
"""Keeps the files of an upload and returns their names, each beginning with
:data:`~ui_gradio.vault.PREFIX`. Gets the headers of the request and its body as it arrives."""

_SMALL_BODY: Final = 64_000

# The last two of the folders are ours, the others Gradio's.
_READ: Final = re.compile(
    r"/(?:config|theme\.css|robots\.txt|manifest\.json|favicon\.ico|pwa_icon(?:/\d+)?)?/?"
    r"|/(?:static|assets|svelte|web|examples)/.+"
    r"|/gradio_api/(?:info|openapi\.json|startup-events|app_id|login_check|user|token|theme\.css"
    r"|queue/status|queue/data|mcp|mcp/.*|heartbeat/[^/]+)/?"
)
_EVENT: Final = re.compile(r"/gradio_api/call/(?:v2/)?[^/]+/(?P<event>[^/]+)/?")
_CALL: Final = re.compile(r"/gradio_api/call/(?P<v2>v2/)?(?P<name>[^/]+)/?")
_JOIN: Final = re.compile(r"/gradio_api/queue/join/?")
_UPLOAD: Final = re.compile(r"/gradio_api/upload/?")
_SMALL: Final = re.compile(r"/gradio_api/(?:cancel|reset)/?")
_AGENTS: Final = re.compile(r"/gradio_api/mcp(?:/.*)?")

# Gradio builds its page with inline scripts and Function(); nothing may come from or go elsewhere.
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "media-src 'self' blob: data:; font-src 'self' data:; connect-src 'self' data: blob:; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """What the gate needs to know of the application behind it.

    ``root_path`` is where a reverse proxy shows the server, hiding that part of the path from it.
    ``body_limit`` is in bytes. ``take_upload`` keeps what is uploaded through Gradio.
    ``check`` raises :class:`~engine.errors.RequestError` for an endpoint's wrong arguments;
    ``polish`` turns Gradio's page into the one that is sent. ``own`` matches the paths below the
    mount, from the slash on, that routes of the application answer, whatever the method.
    """

    path: str
    root_path: str
    blocks: gr.Blocks
    admission: Admission
    body_limit: int
    take_upload: TakeUpload
    check: Callable[[str, Mapping[str, object]], None]
    polish: Callable[[str], str]
    own: re.Pattern[str] | None = None


def into_vault(vault: Vault, *, max_bytes: int) -> TakeUpload:
    """Return a keeper that holds the first file of an upload in memory."""

    async def take(headers: Headers, chunks: AsyncIterator[bytes]) -> list[str]:
        declared = headers.get("content-length")
        body = await bodies.read_limited(chunks, max_bytes=max_bytes, declared=declared)
        return [vault.put(bodies.first_file(body, headers.get("content-type", "")))]

    return take


@final
class Gate:
    """ASGI middleware for one mount path; everything else passes untouched."""

    def __init__(self, app: ASGIApp, *, rules: GateRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        inner = _inner_path(scope, self._rules.path)
        if inner is None:
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def answer(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            shown = _as_shown(scope, self._rules.root_path)
            await self._enter(inner, shown, receive, _with_headers(answer))
        except Exception as error:
            if has_begun:  # too late for another answer
                raise
            is_call = _JOIN.fullmatch(inner) is not None
            response = _for_gradio_client(error) if is_call else response_of(error)
            await response(scope, receive, _with_headers(send))

    async def _enter(self, inner: str, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        own = self._rules.own
        if method == "OPTIONS" or (own is not None and own.fullmatch(inner)):
            await self._app(scope, receive, send)
        elif method in ("GET", "HEAD") and inner in ("", "/"):
            await self._page(scope, receive, send)
        elif method == "GET" and (asked := _EVENT.fullmatch(inner)):
            self._require_event(asked["event"])
            await self._app(scope, receive, send)
        elif method in ("GET", "HEAD", "DELETE") and _READ.fullmatch(inner):
            await self._app(scope, receive, send)
        elif method == "POST" and _UPLOAD.fullmatch(inner):
            await self._upload(scope, receive, send)
        elif method == "POST" and (found := _CALL.fullmatch(inner) or _JOIN.fullmatch(inner)):
            await self._call(found, scope, receive, send)
        elif method == "POST" and (_SMALL.fullmatch(inner) or _AGENTS.fullmatch(inner)):
            is_small = _SMALL.fullmatch(inner) is not None
            body = await _read(scope, receive, _SMALL_BODY if is_small else self._rules.body_limit)
            await self._pass_on(scope if is_small else _at_home(scope), receive, send, body)
        else:
            await JSONResponse(NOTHING_HERE, status_code=404)(scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send Gradio's page, polished; it comes uncompressed for that."""
        headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        held: list[Message] = []

        async def hold(message: Message) -> None:
            if message["type"] in ("http.response.start", "http.response.body"):
                held.append(message)

        await self._app({**scope, "headers": headers}, receive, hold)
        start = held[0]
        body = b"".join(message.get("body", b"") for message in held[1:])
        kind = Headers(raw=start["headers"]).get("content-type", "")
        if start["status"] == 200 and kind.startswith("text/html") and scope["method"] == "GET":
            body = self._rules.polish(body.decode()).encode()
            MutableHeaders(raw=start["headers"])["content-length"] = str(len(body))
        await send(start)
        await send({"type": "http.response.body", "body": body})

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep the file and answer as Gradio's own upload does: a list with its name."""
        with self._rules.admission.visit():
            headers = Headers(scope=scope)
            if not bodies.is_multipart(headers.get("content-type", "")):
                raise RequestError("An upload is a form (multipart/form-data) with one file in it.")
            names = await self._rules.take_upload(headers, _chunks(receive))
        await JSONResponse(names)(scope, receive, send)

    async def _call(self, found: re.Match[str], scope: Scope, receive: Receive, send: Send) -> None:
        """Check a call of an endpoint and let it join the queue when there is room."""
        # The place is held until the queue counts the event itself, so that nobody slips between.
        with self._rules.admission.visit():
            body = await _read(scope, receive, self._rules.body_limit)
            checked = await to_thread.run_sync(self._checked, body, found.groupdict())
            await self._pass_on(scope, receive, _busy_instead_of_503(send, scope), checked)

    def _checked(self, body: bytes, parts: Mapping[str, str | None]) -> bytes:
        """Return the body with all arguments in place and no file paths left in it."""
        document = _json_object(body)
        if parts.get("v2"):
            endpoint = self._endpoint(parts["name"])
            arguments = {name: value for name, value in document.items() if name != "oauth_token"}
            self._rules.check(endpoint.name, arguments)
            return json.dumps(_without_paths(arguments)).encode()
        endpoint = self._endpoint(parts.get("name") or document.get("fn_index"))
        data = document.get("data")
        if not isinstance(data, list):
            raise RequestError(
                "'data' must be a list with the values of "
                f"{', '.join(endpoint.names) or 'no parameters'}, in this order."
            )
        if len(data) > len(endpoint.names):
            raise RequestError(
                f"'data' has {len(data)} values, but {endpoint.name} takes "
                f"{', '.join(endpoint.names) or 'no parameters'}."
            )
        arguments = dict(zip(endpoint.names, data, strict=False))
        self._rules.check(endpoint.name, arguments)
        document["data"] = list((endpoint.defaults | _without_paths(arguments)).values())
        return json.dumps(document).encode()

    def _endpoint(self, wanted: object) -> _Endpoint:
        for number, function in self._rules.blocks.fns.items():
            if wanted == function.api_name or (wanted == number and not isinstance(wanted, bool)):
                hints = gr.utils.get_function_params(function.fn) if function.fn else []
                return _Endpoint(
                    name=str(function.api_name),
                    defaults={name: default for name, _, default, _ in hints},
                )
        names = ", ".join(str(function.api_name) for function in self._rules.blocks.fns.values())
        raise RequestError(f"There is no endpoint {wanted!r}; there are {names}.")

    def _require_event(self, event: str) -> None:
        """Refuse an event that is unknown or was read: Gradio would let its reader wait forever."""
        queue = self._rules.blocks._queue  # noqa: SLF001 – there is no other way to ask
        waiting = queue.pending_event_ids_session.values()
        if event not in queue.event_ids_to_events and not any(event in ids for ids in waiting):
            raise RequestError(
                "There is no answer under this event: it is unknown, or was read before; "
                "call the endpoint again."
            )

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        """Hand a body that was read to the application."""
        headers = MutableHeaders(raw=list(scope["headers"]))
        headers["content-length"] = str(len(body))
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app({**scope, "headers": headers.raw}, again, send)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    name: str
    defaults: dict[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.defaults)


def _as_shown(scope: Scope, root_path: str) -> Scope:
    """Return the request with the path that the visitor sees, as ASGI wants it.

    Gradio's own setting for this does not find its pages when it is mounted.
    """
    if not root_path or scope.get("root_path"):
        return scope
    path = root_path + scope["path"]
    return {**scope, "root_path": root_path, "path": path, "raw_path": path.encode()}


def _at_home(scope: Scope) -> Scope:
    """Return the request as if it had come from this machine.

    Gradio's agent server calls back the address of the first request that it sees, and keeps it.
    The address must not be one that a stranger wrote into a header.
    """
    host, port = scope["server"]
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name != b"host" and not name.startswith((b"x-forwarded", b"x-gradio", b"forwarded"))
    ]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return {**scope, "scheme": "http", "headers": [(b"host", address.encode()), *headers]}


def _inner_path(scope: Scope, mount: str) -> str | None:
    """Return the path below ``mount``, or ``None`` when the request is for somebody else."""
    if scope["type"] != "http":
        return None
    path, root = scope["path"], scope.get("root_path", "")
    if root and path.startswith(f"{root}/"):
        path = path.removeprefix(root)
    if mount == "/":
        return str(path)
    return path.removeprefix(mount) if path.startswith(f"{mount}/") else None


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the body of a request as it arrives."""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise RequestError("The request broke off before its end; send it again.")
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _read(scope: Scope, receive: Receive, limit: int) -> bytes:
    declared = Headers(scope=scope).get("content-length")
    return await bodies.read_limited(_chunks(receive), max_bytes=limit, declared=declared)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"The body must be JSON, but it cannot be read ({type(error).__name__}); "
            "send it with Content-Type: application/json."
        ) from error
    if not isinstance(document, dict):
        raise RequestError("The body must be a JSON object; see /gradio_api/info for its names.")
    return document


def _without_paths(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Replace file objects by their data URI or upload name, so that Gradio touches no file."""
    return {name: _without_path(name, value) for name, value in arguments.items()}


def _without_path(name: str, value: object) -> object:
    if isinstance(value, list):
        return [_without_path(name, one) if _is_file(one) else one for one in value]
    if not isinstance(value, dict):
        return value
    path, url = value.get("path"), value.get("url")
    if isinstance(path, str) and path.startswith(PREFIX):
        return path
    if isinstance(url, str) and url[:5].lower() == "data:":
        return url
    raise RequestError(
        f"'{name}' names a file that was not uploaded here; upload it first, or send it as a "
        "data URI. Addresses are not fetched."
    )


def _is_file(value: object) -> bool:
    return isinstance(value, dict) and ("path" in value or "url" in value)


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if "cache-control" not in headers and "application/json" in headers.get(
                "content-type", ""
            ):
                headers["Cache-Control"] = "no-store"
            message = {**message, "headers": headers.raw}
        await send(message)

    return wrapped


def _for_gradio_client(error: Exception) -> JSONResponse:
    """Return our answer with the field from which Gradio's Python client takes its words."""
    problem = problem_of(error)
    document: dict[str, Any] = {**problem.document}
    if problem.status == 422:
        field = re.match(r"'([^']{1,60})'", problem.message)
        document["detail"] = [
            {
                "__type__": "validate",
                "is_valid": False,
                "parameter_name": field[1] if field else "request",
                "message": problem.message,
            }
        ]
    return JSONResponse(document, status_code=problem.status, headers=dict(problem.headers))


def _busy_instead_of_503(send: Send, scope: Scope) -> Send:
    """Turn the 503 of Gradio's own queue limit into our 429."""
    replaced = False

    async def wrapped(message: Message) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start" and message["status"] == 503:
            replaced = True
            busy = response_of(BusyError("The queue is full; try again in 5 seconds."))
            await busy(scope, _nothing, send)
        elif not replaced:
            await send(message)

    return wrapped


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
