"""Request bodies, read with a limit while they arrive, and never written to disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, final

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from engine.errors import InputError, RequestError, TooLargeError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["first_file", "is_multipart", "read_limited"]


async def read_limited(
    chunks: AsyncIterator[bytes],
    *,
    max_bytes: int,
    declared: str | None,
    patience_s: float = 60.0,
) -> bytes:
    """Return the whole body, or stop as soon as it is longer than ``max_bytes``.

    ``declared`` is the Content-Length header, which refuses early and is not believed otherwise.

    Raises
    ------
    TooLargeError
        When the body is, or says that it is, longer than ``max_bytes``.
    InputError
        When it has not arrived after ``patience_s`` seconds.
    """
    if declared is not None and declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(patience_s):
            async for chunk in chunks:
                body += chunk
                if len(body) > max_bytes:
                    raise _too_large(max_bytes)
    except TimeoutError as error:
        raise InputError(
            f"The request had not arrived after {patience_s:g} seconds; "
            "send a smaller picture or use a faster connection."
        ) from error
    return bytes(body)


def is_multipart(content_type: str) -> bool:
    """Return whether the body is a form with files."""
    return content_type.lower().startswith("multipart/form-data")


def first_file(body: bytes, content_type: str) -> bytes:
    """Return the first file of a multipart form.

    Raises
    ------
    RequestError
        When the form is damaged or has no file in it.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise RequestError("The form has no boundary; let your HTTP library write the header.")
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise RequestError(f"The form cannot be read ({error}); send it again.") from error
    if collector.found is None:
        raise RequestError(
            "The form has no file in it; send the picture as a file part named 'file'."
        )
    return bytes(collector.found)


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(
        f"The request is longer than the limit of {max_bytes / 1e6:.0f} MB; "
        "send a smaller picture or fewer frames."
    )


@final
class _Collector:
    """Callbacks that keep the first part with a file name."""

    def __init__(self) -> None:
        self.found: bytearray | None = None
        self._field = bytearray()
        self._value = bytearray()
        self._in_file = False

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._in_file = False

    def _header(self) -> None:
        if self._field.lower() == b"content-disposition" and self.found is None:
            _, options = parse_options_header(bytes(self._value))
            if b"filename" in options:
                self._in_file, self.found = True, bytearray()
        self._field.clear()
        self._value.clear()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file and self.found is not None:
            self.found += data[start:end]

    def _end(self) -> None:
        self._in_file = False
