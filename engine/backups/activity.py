"""One backup or restore at a time, and a note that tells everybody how far it is.

The lock is the kernel's (``flock``): it ends with its holder, however that ends. The note is only
believed while the lock is held. ``flock`` is not reliable on some network drives.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, final

from engine.errors import BusyError, SettingsError
from engine.locks import is_locked

__all__ = ["Activity", "Kind", "Work", "current_activity"]

Kind = Literal["backup", "check", "restore", "clean-up"]

_LOCK, _NOTE = ".lock", ".activity.json"
_PAUSE_S = 0.1
_EVERY_S = 0.2
_WORDS = {
    "backup": "A backup is being made",
    "check": "A backup is being checked",
    "restore": "A backup is being restored",
    "clean-up": "Old backups are being removed",
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What is being done with backups just now, by any process; ``fraction`` in 0..1."""

    kind: Kind
    id: str
    fraction: float
    stage: str
    started_at: datetime

    @property
    def sentence(self) -> str:
        """One sentence for people."""
        return f"{_WORDS[self.kind]}: {self.stage} ({self.fraction:.0%})."


@final
class Work:
    """The right to make, restore or remove backups in ``folder``; ``with`` gives it back.

    Raises
    ------
    BusyError
        When another has it for longer than ``wait_s`` seconds.
    SettingsError
        When the folder cannot be made or written.
    """

    def __init__(self, folder: Path, kind: Kind, *, id: str = "", wait_s: float = 0.0) -> None:  # noqa: A002 – as in the record
        self._folder, self._kind, self._id = folder, kind, id
        self._started_at = datetime.now(UTC)
        self._told_at = 0.0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise SettingsError(
                f"Expected a folder for backups at {folder}, but it cannot be written "
                f"({problem.strerror}); set LIGHTBOX_BACKUP_DIR to one that can."
            ) from problem
        try:
            self._take(time.monotonic() + wait_s)
        except BusyError:
            os.close(self._file)
            raise
        (folder / _NOTE).unlink(missing_ok=True)  # that of one who was killed

    def __enter__(self) -> Self:
        self.report(0.0, "beginning")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        (self._folder / _NOTE).unlink(missing_ok=True)
        os.close(self._file)  # releases the lock, too

    def report(self, fraction: float, stage: str) -> None:
        """Tell others how far the work is; a few times a second at most."""
        if time.monotonic() - self._told_at < _EVERY_S:
            return
        self._told_at = time.monotonic()
        document = {
            "kind": self._kind,
            "id": self._id,
            "fraction": fraction,
            "stage": stage,
            "started_at": self._started_at.isoformat(),
        }
        fresh = self._folder / f"{_NOTE}.new"
        with suppress(OSError):  # a full disk is told by what fails for it, not by this note
            fresh.write_text(json.dumps(document), encoding="utf-8")
            fresh.replace(self._folder / _NOTE)

    def _take(self, until: float) -> None:
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise _busy(self._folder) from None
                time.sleep(_PAUSE_S)
            else:
                return


def current_activity(folder: Path) -> Activity | None:
    """Return what any process does with the backups of ``folder`` now; changes nothing."""
    try:
        document = json.loads((folder / _NOTE).read_bytes())
        activity = Activity(
            kind=document["kind"],
            id=document["id"],
            fraction=document["fraction"],
            stage=document["stage"],
            started_at=datetime.fromisoformat(document["started_at"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return activity if is_locked(folder / _LOCK) else None


def _busy(folder: Path) -> BusyError:
    activity = current_activity(folder)
    doing = activity.sentence if activity else "Another process works with the backups."
    return BusyError(f"{doing} Wait until that has ended, then try again.", retry_after_s=30)
