"""A file on its way: the bytes that are here, and what the server said about the whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, final

from engine.spine.weights.folders import read_json

__all__ = ["Origin", "PartFile"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a part belongs to. ``total`` is in bytes, None when the server named no length.

    ``validator`` is the strong ETag or the date of the file: with it, a server tells by itself
    when the file is no longer the same (RFC 9110, 13.1.5).
    """

    address: str
    total: int | None = None
    validator: str | None = None


@final
class PartFile:
    """``<name>.part`` and the note beside it; survives breaks, and the end of the process."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.part"
        self.whole = folder / name
        self._note = folder / f"{name}.part.json"

    @property
    def size(self) -> int:
        """Bytes that are here; 0 when there is none, or nobody knows what they belong to."""
        if not self._note.exists() or not self.path.exists():
            return 0
        return self.path.stat().st_size

    @property
    def origin(self) -> Origin | None:
        """What the bytes belong to; None when there are none."""
        note = read_json(self._note)
        try:
            return Origin(**note) if note else None
        except TypeError:
            return None

    def reset(self) -> None:
        """Forget the bytes that are here, the whole file included."""
        for path in (self.whole, self.path, self._note):
            path.unlink(missing_ok=True)

    @contextmanager
    def adding(self, origin: Origin) -> Iterator[BinaryIO]:
        """Open the part for more bytes of ``origin``; they are on the disk afterwards."""
        # The note first: bytes without a note are not believed.
        self._note.write_text(json.dumps(asdict(origin)), encoding="utf-8")
        with self.path.open("ab") as stream:
            try:
                yield stream
            finally:
                stream.flush()
                os.fsync(stream.fileno())

    def finish(self) -> Path:
        """Give the whole file its name and return its path."""
        self.path.replace(self.whole)
        self._note.unlink(missing_ok=True)
        return self.whole
