"""A stream that says in a sentence when its place stops answering in the middle of reading."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO, final

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["TellingStream"]


@final
class TellingStream(io.RawIOBase):
    """``source`` with every read and seek inside ``telling()``; closes it when closed."""

    def __init__(
        self, source: BinaryIO, telling: Callable[[], AbstractContextManager[None]]
    ) -> None:
        super().__init__()
        self._source = source
        self._telling = telling

    def readable(self) -> bool:
        """Return true."""
        return True

    def seekable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill ``buffer`` as far as the source gives bytes; 0 at the end."""
        view = memoryview(buffer).cast("B")
        with self._telling():
            data = self._source.read(len(view))
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move as a file does and return the place."""
        with self._telling():
            self._source.seek(offset, whence)
            return self._source.tell()

    def tell(self) -> int:
        """Return the place in bytes."""
        return self._source.tell()

    def close(self) -> None:
        """Close the source too."""
        if not self.closed:
            self._source.close()
        super().close()
