"""Pictures in a form, read while they arrive: the files, and the other fields as texts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final, final

from starlette.requests import Request

from api.bodies import FormReader, is_multipart
from engine.catalogue.sample_pictures import SentPicture
from engine.errors import InputError, RequestError, TooLargeError
from engine.settings import Settings

__all__ = ["SentForm", "read_pictures"]

_PICTURES: Final = 5
_PATIENCE_S: Final = 300.0
_LONGEST_TEXT: Final = 16_000
_MOST_PARTS: Final = 300


@final
@dataclass(kw_only=True)
class SentForm:
    """The parts of a form; ``most_bytes`` is the limit of one file."""

    most_bytes: int
    pictures: list[SentPicture] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    _name: str = ""
    _file: str | None = None
    _data: bytearray = field(default_factory=bytearray)
    _parts: int = 0

    def begin(self, field: str, file_name: str | None) -> None:
        """Take note that a part begins."""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise RequestError(f"The form has more than {_MOST_PARTS} parts; send fewer pictures.")
        self._name, self._file, self._data = field, file_name, bytearray()

    def data(self, data: bytes) -> None:
        """Take more bytes of the part."""
        limit = _LONGEST_TEXT if self._file is None else self.most_bytes
        if len(self._data) + len(data) > limit:
            raise TooLargeError(
                f"A part of the form has more than {limit / 1e6:g} MB; send a smaller picture."
            )
        self._data += data

    def end(self) -> None:
        """Keep the complete part."""
        if self._file is None:
            self.texts[self._name[:60]] = self._data.decode("utf-8", "replace")
        elif self._file or self._data:
            self.pictures.append(SentPicture(name=self._file, data=bytes(self._data)))
        self._data = bytearray()


async def read_pictures(request: Request, settings: Settings) -> SentForm:
    """Return what a multipart form holds.

    All pictures together may have five times as many bytes as one.

    Raises
    ------
    RequestError
        When it is no such form, or a damaged one.
    TooLargeError
        When a file, or the whole, is above the limit.
    InputError
        When it has not arrived in time.
    """
    kind = request.headers.get("content-type", "")
    if not is_multipart(kind):
        raise RequestError(
            "The pictures must be sent as multipart/form-data, each as a part named 'file'."
        )
    most = settings.max_upload_mb * 1_000_000
    form = SentForm(most_bytes=most)
    reader, size = FormReader(kind, form), 0
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > _PICTURES * most + _LONGEST_TEXT:
                    raise TooLargeError(
                        f"The form is longer than {_PICTURES * most / 1e6:.0f} MB; send the "
                        "pictures in several requests."
                    )
                reader.write(chunk)
    except TimeoutError as error:
        raise InputError(
            f"The pictures had not arrived after {_PATIENCE_S:g} seconds; send fewer at a time."
        ) from error
    reader.finish()
    return form
