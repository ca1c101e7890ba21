"""The last hour's samples: in memory for whoever samples, in a file for all and for the next start.

The file holds one line of JSON for each sample. It is cut to the last hour when it has grown to
twice that, and what a crash tore in it is skipped: figures are no records, so nothing here waits
for the disk.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final, final

from engine.monitoring.figures import Figures

__all__ = ["HISTORY_S", "History"]

HISTORY_S: Final = 3600.0
"""How far back samples are kept, in seconds."""

_LONGEST_BYTES: Final = 4_000_000


@final
class History:
    """Samples of the last hour, kept in ``path``; safe from several threads.

    ``most`` is the largest number of samples that an hour can have.
    """

    def __init__(self, path: Path, *, most: int = 720) -> None:
        self._path = path
        self._most = most
        self._lock = threading.Lock()
        self._samples: deque[Figures] = deque(maxlen=most)
        self._lines = 0
        self._seen: tuple[int, int] = (0, 0)

    def load(self, *, now: float) -> None:
        """Take over what an earlier process kept, and begin to keep from here."""
        with self._lock:
            self._reread(now)
            self._rewrite()

    def add(self, sample: Figures) -> None:
        """Keep one more sample; when it cannot be written, it is kept in memory alone."""
        with self._lock:
            self._samples.append(sample)
            with suppress(OSError):
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(sample.to_line() + "\n")
                self._lines += 1
            if self._lines > 2 * self._most:
                self._rewrite()

    def since(self, moment: float) -> tuple[Figures, ...]:
        """Return what this process has of the samples after ``moment``, the oldest first."""
        with self._lock:
            return tuple(one for one in self._samples if one.at > moment)

    def refresh(self, *, now: float) -> None:
        """Read what another process keeps, if its file has changed."""
        with self._lock:
            try:
                state = self._path.stat()
            except OSError:
                return
            if (state.st_mtime_ns, state.st_size) != self._seen:
                self._reread(now)
                self._seen = (state.st_mtime_ns, state.st_size)

    def _reread(self, now: float) -> None:
        lines = _tail(self._path)
        found = (Figures.from_line(line) for line in lines)
        recent = [one for one in found if one is not None and now - HISTORY_S < one.at <= now]
        recent.sort(key=lambda one: one.at)
        self._samples = deque(recent, maxlen=self._most)

    def _rewrite(self) -> None:
        """Write the samples in memory as the whole file."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.writelines(one.to_line() + "\n" for one in self._samples)
                Path(name).replace(self._path)
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
            self._lines = len(self._samples)


def _tail(path: Path) -> list[str]:
    """Return the lines at the end of a file; none when there is no such file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LONGEST_BYTES))
            return file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []
