"""One download at a time on a machine, and a note that tells others how far it is.

The lock is the kernel's (``flock``): it ends with its holder, however that ends. The note is only
believed while the lock is held. ``flock`` is not reliable on some network drives.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from engine.locks import is_locked
from engine.spine.weights.folders import read_json

__all__ = ["DownloadLock", "is_downloading", "read_note", "write_note"]

_LOCK, _NOTE = "lock", "progress.json"


@final
class DownloadLock:
    """The right to download into a folder; ``with`` releases it. Falsy when another has it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._is_ours = True
        except BlockingIOError:
            self._is_ours = False

    def __bool__(self) -> bool:
        return self._is_ours

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)  # releases the lock, too


def is_downloading(folder: Path) -> bool:
    """Tell whether somebody downloads into this folder now; changes nothing."""
    return is_locked(folder / _LOCK)


def write_note(folder: Path, note: dict[str, Any]) -> None:
    """Tell others how far the download is; only the holder of the lock may."""
    fresh = folder / f"{_NOTE}.new"
    fresh.write_text(json.dumps(note), encoding="utf-8")
    fresh.replace(folder / _NOTE)


def read_note(folder: Path) -> dict[str, Any]:
    """Return the last note; empty when there is none."""
    return read_json(folder / _NOTE) or {}
