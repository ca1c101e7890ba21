"""The journal of one picture: every stroke on the disk when it ends, and who may write now.

One folder per picture. ``journal`` grows by a line per stroke, undo, redo, return to a stored
mask, and stored mask; ``lease`` says which tab draws. A stroke that is sent twice is kept once.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, final

from engine.annotation.history import History
from engine.annotation.lines import append_line, held, read_lines, replace_file
from engine.annotation.strokes import Stroke
from engine.errors import BusyError, RequestError

__all__ = ["LEASE_S", "Journal", "Lease"]

LEASE_S: Final = 30.0
"""How long a tab that is not heard of keeps the pen, when its server cannot be asked."""

_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Which tab draws: its id, whose it is, and the process that serves it."""

    tab: str
    author: str
    name: str
    host: str
    process: int
    at: float

    @property
    def is_here(self) -> bool:
        """Whether this process serves the tab, so that it knows whether the tab is open."""
        return self.host == socket.gethostname() and self.process == os.getpid()

    def holds(self, is_open: Callable[[str], bool]) -> bool:
        """Whether the tab still has the pen; ``is_open`` is asked for tabs of this process."""
        if self.is_here:
            return is_open(self.tab)
        return self._is_fresh and not self._has_ended

    @property
    def _has_ended(self) -> bool:
        if self.host != socket.gethostname():
            return False  # unknown
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    @property
    def _is_fresh(self) -> bool:
        return 0 <= time.time() - self.at < LEASE_S


@final
class Journal:
    """The journal of ``image`` below ``folder``; safe among threads and processes."""

    def __init__(self, folder: Path, image: str) -> None:
        if not _IMAGE.fullmatch(image):
            raise RequestError(f"Expected the id of a picture, but got {image[:40]!r}.")
        self.folder = folder / image
        self.damaged = 0
        self._lines = self.folder / "journal"
        self._lock = self.folder / "lock"
        self._lease = self.folder / "lease"
        self._history = History()
        self._reading = threading.Lock()
        self._read_until = 0
        self._file = 0

    def history(self) -> History:
        """Return what counts now; another process's entries are read too.

        It begins anew when a backup put another file in the journal's place.
        """
        with self._reading:
            file = self._present()
            if file != self._file:
                self._history, self._read_until, self.damaged = History(), 0, 0
                self._file = file
            entries, self._read_until, damaged = read_lines(self._lines, self._read_until)
            self.damaged += damaged
            for entry in entries:
                self._history.add(entry)
            return self._history

    def _present(self) -> int:
        try:
            return self._lines.stat().st_ino
        except FileNotFoundError:
            return 0

    # --- the pen -------------------------------------------------------------------------------

    def lease(self) -> Lease | None:
        """Return who has or had the pen last; nobody yet is ``None``."""
        try:
            return Lease(**json.loads(self._lease.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def take(
        self,
        tab: str,
        *,
        author: str,
        name: str,
        is_open: Callable[[str], bool],
        by_force: bool = False,
    ) -> Lease:
        """Give the pen to ``tab``, or renew it; return who has it then, which may be another."""
        if not self._must_ask(tab, by_force=by_force):
            return self._held_by(tab)
        with held(self._lock):
            other = self.lease()
            if other and other.tab != tab and not by_force and other.holds(is_open):
                return other
            lease = Lease(
                tab=tab,
                author=author,
                name=name,
                host=socket.gethostname(),
                process=os.getpid(),
                at=time.time(),
            )
            replace_file(self._lease, asdict(lease))
            return lease

    def require(self, tab: str) -> None:
        """Return when ``tab`` has the pen.

        Raises
        ------
        BusyError
            When another tab has it, or nobody.
        """
        self._held_by(tab)

    def _must_ask(self, tab: str, *, by_force: bool) -> bool:
        """Whether the lease has to be written; it is renewed well before it ends."""
        lease = self.lease()
        mine = lease is not None and lease.tab == tab and lease.is_here
        return by_force or not mine or lease is None or time.time() - lease.at > LEASE_S / 4

    def _held_by(self, tab: str) -> Lease:
        lease = self.lease()
        if lease is None or lease.tab != tab:
            raise _taken(lease)
        return lease

    # --- entries -------------------------------------------------------------------------------

    def append(self, stroke: Stroke, *, tab: str) -> int:
        """Write a stroke down and return its number; one that is there already keeps its own.

        Raises
        ------
        BusyError
            When another tab has the pen.
        DiskShortError, StoreError
            When it could not be written.
        """
        with held(self._lock):
            self._held_by(tab)
            history = self.history()
            if stroke.mark and stroke.mark in history.marks:
                return history.marks[stroke.mark]
            return self._write("stroke", stroke=stroke.as_json())

    def undo(self, *, tab: str, seq: int | None = None) -> int | None:
        """Take back the last entry that counts, or the one named; return which, or ``None``."""
        with held(self._lock):
            self._held_by(tab)
            history = self.history()
            of = history.undoable if seq is None else seq
            if of is None or not history.counts(of):
                return None
            self._write("undo", of=of)
            return of

    def redo(self, *, tab: str) -> int | None:
        """Bring back what was taken back last; return which, or ``None``."""
        with held(self._lock):
            self._held_by(tab)
            of = self.history().redoable
            if of is not None:
                self._write("redo", of=of)
            return of

    def restore(self, mask: str, *, tab: str, author: str) -> int:
        """Go back to a stored mask; an entry like a stroke, which can be undone."""
        with held(self._lock):
            self._held_by(tab)
            return self._write("restore", mask=mask, author=author)

    def saved(self, mask: str, *, revision: str, outcome: str) -> int:
        """Note that ``mask`` is what counted under the name ``outcome``."""
        with held(self._lock):
            self.history()
            return self._write("revision", mask=mask, revision=revision, outcome=outcome)

    def _write(self, kind: str, **values: object) -> int:
        seq = self._history.last + 1
        at = datetime.now(UTC).isoformat()
        append_line(self._lines, {"seq": seq, "kind": kind, "written": at, **values})
        self.history()
        return seq


def _taken(lease: Lease | None) -> BusyError:
    who = lease.name if lease else "Somebody else"
    return BusyError(
        f"{who} draws on this picture in another tab, so this stroke was not taken; "
        "take the pen over here, then draw it again."
    )
