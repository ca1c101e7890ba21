"""What counts of a picture's journal: its strokes without those taken back, and how to go on.

Undoing and redoing are entries like strokes, so nothing is ever removed, and what was undone an
hour ago can be redone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from engine.annotation.strokes import Stroke

__all__ = ["Done", "History", "Saved"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Something that changed the mask: a stroke, or going back to a stored mask."""

    seq: int
    stroke: Stroke | None = None
    mask: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A stored mask that is the outcome of all that counted when it was stored."""

    seq: int
    mask: str
    revision: str
    outcome: str


@final
class History:
    """Entries folded into what counts. Feed it entries in their order."""

    def __init__(self) -> None:
        self.last = 0
        self.marks: dict[str, int] = {}
        self._all: dict[int, Done] = {}
        self._done: list[int] = []
        self._undone: list[int] = []
        self._saved: list[Saved] = []

    @property
    def done(self) -> tuple[Done, ...]:
        """What counts, oldest first, from the last going back to a stored mask on."""
        found = [self._all[seq] for seq in self._done]
        starts = [place for place, what in enumerate(found) if what.mask]
        return tuple(found[starts[-1] :] if starts else found)

    @property
    def undoable(self) -> int | None:
        """The entry that undo would take back, ``None`` for none."""
        return self._done[-1] if self._done else None

    @property
    def redoable(self) -> int | None:
        """The entry that redo would bring back, ``None`` for none."""
        return self._undone[-1] if self._undone else None

    @property
    def outcome(self) -> str:
        """A name of what counts: the same for the same entries."""
        return self._outcome_until(self.last)

    @property
    def saved(self) -> Saved | None:
        """The latest stored mask whose strokes all still count, to draw the rest upon."""
        for saved in reversed(self._saved):
            if self._outcome_until(saved.seq) == saved.outcome:
                return saved
        return None

    @property
    def unsaved(self) -> int:
        """How many entries count that are in no stored mask."""
        saved = self.saved
        return len(self._done) if saved is None else sum(seq > saved.seq for seq in self._done)

    def counts(self, seq: int) -> bool:
        """Whether the entry was not taken back."""
        return seq in self._done

    def entry(self, seq: int) -> Done | None:
        """Return the entry, counting or not."""
        return self._all.get(seq)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take in the next entry of the journal."""
        seq, kind = int(entry["seq"]), str(entry["kind"])
        self.last = max(self.last, seq)
        if kind == "stroke":
            stroke = Stroke.from_json(entry["stroke"], seq=seq)
            self._begin(Done(seq=seq, stroke=stroke))
            if stroke.mark:
                self.marks[stroke.mark] = seq
        elif kind == "restore":
            self._begin(Done(seq=seq, mask=str(entry["mask"])))
        elif kind == "revision":
            self._saved.append(
                Saved(
                    seq=seq,
                    mask=str(entry["mask"]),
                    revision=str(entry["revision"]),
                    outcome=str(entry["outcome"]),
                )
            )
        else:
            self._move("undo" if kind == "undo" else "redo", int(entry["of"]))

    def _begin(self, what: Done) -> None:
        self._all[what.seq] = what
        self._done.append(what.seq)
        self._undone.clear()

    def _move(self, kind: Literal["undo", "redo"], seq: int) -> None:
        source, target = (
            (self._done, self._undone) if kind == "undo" else (self._undone, self._done)
        )
        if seq in source:
            source.remove(seq)
            target.append(seq)
            if kind == "redo":
                target.sort()

    def _outcome_until(self, last: int) -> str:
        names = ",".join(str(seq) for seq in self._done if seq <= last)
        return hashlib.sha256(names.encode()).hexdigest()[:16]
