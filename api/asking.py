"""What every route asks first: who is it, may they, and what did they send."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, final
from urllib.parse import parse_qsl

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

from api.bodies import read_limited
from engine.errors import RequestError
from engine.people.actors import NOBODY, Actor
from engine.people.permissions import require
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.workbench import Workbench

__all__ = [
    "Desk",
    "Threads",
    "asked_by",
    "in_thread",
    "json_fields",
    "sent_form",
    "text_of",
    "whole_of",
]

Answer = TypeVar("Answer")

_LIMIT = 64_000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the routes work with; ``workbench`` opens the parts when first asked."""

    settings: Settings
    workbench: Callable[[], Workbench]


@final
class Threads:
    """Runs work in at most ``most`` threads of its own, apart from those that all share."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limiter: CapacityLimiter | None = None

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Return what ``work`` returns; waits for a free thread."""
        # Made here because it belongs to the event loop that runs.
        self._limiter = self._limiter or CapacityLimiter(self._most)
        return await to_thread.run_sync(work, limiter=self._limiter)


def asked_by(request: Request, action: str) -> Actor:
    """Return who sends a request when they may do ``action``.

    Raises
    ------
    NotSignedInError, NotAllowedError
        When they may not; also when no door stands in front of the route.
    """
    actor = getattr(request.state, "actor", NOBODY)
    require(actor, action)
    return actor if isinstance(actor, Actor) else NOBODY


async def in_thread(work: Callable[[], Answer]) -> Answer:
    """Run what reads or writes the store away from the event loop."""
    return await to_thread.run_sync(work)


async def json_fields(request: Request) -> dict[str, Any]:
    """Return the JSON object that was sent; an empty body is an empty object.

    Raises
    ------
    RequestError, TooLargeError
    """
    body = await _body(request)
    if not body.strip():
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"The body must be JSON, but it cannot be read ({type(error).__name__}); "
            "send it with Content-Type: application/json."
        ) from error
    if not isinstance(document, dict):
        raise RequestError(f"The body must be a JSON object, but is a {type(document).__name__}.")
    return document


async def sent_form(request: Request) -> dict[str, str]:
    """Return the fields of a plain HTML form.

    Raises
    ------
    RequestError, TooLargeError
    """
    kind = request.headers.get("content-type", "")
    if not kind.startswith("application/x-www-form-urlencoded"):
        raise RequestError("The form must be sent as application/x-www-form-urlencoded.")
    body = await _body(request)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise RequestError("The form cannot be read; send it again.") from error
    return dict(pairs)


def text_of(
    fields: Mapping[str, Any], name: str, *, longest: int = 320, otherwise: str | None = None
) -> str:
    """Return a text field; ``otherwise`` stands for an absent one, which is wrong without it.

    Raises
    ------
    RequestError
        When it is absent, no text, or longer than ``longest`` characters.
    """
    value = fields.get(name, otherwise)
    if not isinstance(value, str):
        came = "nothing" if value is None else f"a {type(value).__name__}"
        raise RequestError(f"'{name}' must be a text, but {came} came; send it as a string.")
    if len(value) > longest:
        raise RequestError(f"'{name}' has {len(value)} characters; at most {longest} are taken.")
    if "\x00" in value:
        raise RequestError(f"'{name}' has a character that is no text; leave it out.")
    return value


def whole_of(text: str | None, name: str, *, otherwise: int, least: int, most: int) -> int:
    """Return a whole number from an address's query.

    Raises
    ------
    RequestError
        When it is none, or outside of ``least`` … ``most``.
    """
    if text is None:
        return otherwise
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        raise RequestError(f"'{name}' must be a whole number, but is {text[:40]!r}.")
    if not least <= int(text) <= most:
        raise RequestError(f"'{name}' must be from {least} to {most}, but is {int(text)}.")
    return int(text)


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length")
    return await read_limited(request.stream(), max_bytes=_LIMIT, declared=declared)
