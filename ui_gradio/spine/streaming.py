"""Server-sent events that hold no thread while they wait, and blocking work that becomes them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final, TypeVar, cast

from starlette.responses import StreamingResponse

from api.problems import problem_of

__all__ = ["event_stream", "from_thread"]

T = TypeVar("T")

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # a proxy that collects would hold progress back
}


def event_stream(
    documents: AsyncIterator[Mapping[str, Any]],
    *,
    told: Callable[[Exception], Mapping[str, Any]] | None = None,
) -> StreamingResponse:
    """Return an answer with one ``data:`` line of JSON for each document, as they come.

    The iterator is closed when the reader leaves. An error becomes a last event, made by ``told``
    (``{"error": {"code", "message"}}`` by default).
    """

    async def lines() -> AsyncIterator[str]:
        try:
            async with aclosing(cast("Any", documents)):
                async for document in documents:
                    yield _line(document)
        except Exception as error:  # noqa: BLE001 – problem_of logs what it does not know
            yield _line((told or (lambda problem: problem_of(problem).document))(error))

    return StreamingResponse(lines(), media_type="text/event-stream", headers=_HEADERS)


def _line(document: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(document, ensure_ascii=False, allow_nan=False)}\n\n"


async def from_thread(work: Callable[[threading.Event], Iterable[T]]) -> AsyncIterator[T]:
    """Yield what ``work`` yields in a thread of its own; its event is set when nobody reads on.

    What it raises is raised here.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Queue[tuple[T | None, Exception | None]] = asyncio.Queue()
    stop = threading.Event()

    def say(item: T | None, problem: Exception | None = None) -> None:
        with suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(found.put_nowait, (item, problem))

    def run() -> None:
        try:
            for item in work(stop):
                say(item)
            say(None)
        except Exception as problem:  # noqa: BLE001 – raised again where it is read
            say(None, problem)

    threading.Thread(target=run, name="events", daemon=True).start()
    try:
        while True:
            item, problem = await found.get()
            if problem is not None:
                raise problem
            if item is None:
                return
            yield item
    finally:
        stop.set()
