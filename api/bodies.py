"""Request bodies, read with a limit while they arrive. Nothing here is written to disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol, final

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from engine.errors import InputError, RequestError, TooLargeError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["FormReader", "PartSink", "first_file", "is_multipart", "read_limited"]


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
    collector = _Collector()
    reader = FormReader(content_type, collector)
    reader.write(body)
    reader.finish()
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


class PartSink(Protocol):
    """Who takes the parts of a form while they arrive."""

    def begin(self, field: str, file_name: str | None) -> None:
        """Take note that a part begins; ``file_name`` is None when it is no file."""
        ...

    def data(self, data: bytes) -> None:
        """Take more bytes of the part."""
        ...

    def end(self) -> None:
        """Take note that the part is complete."""
        ...


@final
class FormReader:
    """Reads a multipart form piece by piece and hands its parts to a sink; holds none of them.

    Parameters
    ----------
    content_type
        The header with the boundary.
    sink
        Told of each part; what it raises reaches the caller of :meth:`write`.

    Raises
    ------
    RequestError
        When the header names no boundary.
    """

    def __init__(self, content_type: str, sink: PartSink) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise RequestError("The form has no boundary; let your HTTP library write the header.")
        self._sink = sink
        self._field, self._value = bytearray(), bytearray()
        self._disposition: dict[bytes, bytes] = {}
        self._is_complete = False
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except MultipartParseError as error:
            raise _damaged(error) from error

    def write(self, data: bytes) -> None:
        """Read the next piece."""
        try:
            self._parser.write(data)
        except MultipartParseError as error:
            raise _damaged(error) from error

    def finish(self) -> None:
        """Say that there is no more; raises RequestError when the form is cut off."""
        try:
            self._parser.finalize()
        except MultipartParseError as error:
            raise _damaged(error) from error
        if not self._is_complete:
            raise RequestError("The form is cut off; send it again.")

    def _callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._disposition.clear,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._begin,
            "on_part_data": lambda data, start, end: self._sink.data(data[start:end]),
            "on_part_end": self._sink.end,
            "on_end": self._complete,
        }

    def _header(self) -> None:
        if self._field.lower() == b"content-disposition":
            _, self._disposition = parse_options_header(bytes(self._value))
        self._field.clear()
        self._value.clear()

    def _begin(self) -> None:
        name = self._disposition.get(b"filename")
        self._sink.begin(
            self._disposition.get(b"name", b"").decode("utf-8", "replace"),
            None if name is None else name.decode("utf-8", "replace"),
        )

    def _complete(self) -> None:
        self._is_complete = True


def _damaged(error: MultipartParseError) -> RequestError:
    return RequestError(f"The form cannot be read ({error}); send it again.")


@final
class _Collector:
    """Keeps the first part with a file name."""

    def __init__(self) -> None:
        self.found: bytearray | None = None
        self._in_file = False

    def begin(self, field: str, file_name: str | None) -> None:
        del field
        if file_name is not None and self.found is None:
            self._in_file, self.found = True, bytearray()

    def data(self, data: bytes) -> None:
        if self._in_file and self.found is not None:
            self.found += data

    def end(self) -> None:
        self._in_file = False
