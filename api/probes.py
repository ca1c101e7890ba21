"""A health answer for anybody: the status alone, without versions, memory and models."""

from __future__ import annotations

import json

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Send

__all__ = ["status_only"]


def status_only(send: Send) -> Send:
    """Return ``send`` that keeps only ``status`` of a JSON answer; other answers pass."""
    held: list[Message] = []

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = Headers(raw=list(message.get("headers", []))).get("content-type", "")
            if not kind.startswith("application/json"):
                await send(message)
                return
        elif not held:
            await send(message)
            return
        held.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            await _send_short(held, send)
            held.clear()

    return wrapped


async def _send_short(held: list[Message], send: Send) -> None:
    start, body = held[0], b"".join(message.get("body", b"") for message in held[1:])
    if body:  # nothing comes where only the head was asked for
        document = json.loads(body)
        kept = {name: value for name, value in document.items() if name in ("status", "error")}
        body = json.dumps(kept).encode()
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["content-length"] = str(len(body))
        start = {**start, "headers": headers.raw}
    await send(start)
    await send({"type": "http.response.body", "body": body})
