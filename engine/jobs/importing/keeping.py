"""Stores the pictures of an import in batches, and the report line of each, none twice."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, final

from engine.datasets import reports
from engine.datasets.entries import FileOutcome
from engine.store.records import CellAnnotation, Image, Mask

if TYPE_CHECKING:
    from engine.jobs.context import JobContext

__all__ = ["Batch", "Kept", "Ledger"]

_MOST, _LONGEST_S = 64, 2.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One picture with what belongs to it, to be stored together."""

    image: Image
    mask: Mask | None = None
    cells: tuple[CellAnnotation, ...] = ()


@final
class Ledger:
    """The report as it grows, a line for each item of the upload by its number; survives a kill."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: dict[int, FileOutcome] = {}
        if path.exists():
            for text in path.read_text("utf-8").splitlines():
                try:
                    row = json.loads(text)
                    self.lines[int(row["number"])] = reports.from_document(row)
                except (ValueError, KeyError):  # a line that a kill cut off is written again
                    continue

    def write(self, lines: Mapping[int, FileOutcome]) -> None:
        """Add lines; when this returns they survive a power cut."""
        self.lines |= lines
        with self._path.open("a", encoding="utf-8") as out:
            # A line that was cut off ends here, so that the next one begins on its own.
            out.write("\n")
            for number, line in lines.items():
                row = {"number": number, **reports.to_document(line)}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
            out.flush()
            os.fsync(out.fileno())


@final
@dataclass(slots=True, kw_only=True)
class Batch:
    """Pictures that wait to be stored in one transaction."""

    context: JobContext
    ledger: Ledger
    _kept: list[Kept] = field(default_factory=list)
    _lines: dict[int, FileOutcome] = field(default_factory=dict)
    _since: float = field(default_factory=monotonic)

    def add(self, number: int, line: FileOutcome, kept: Kept | None = None) -> None:
        """Take one item; a full batch is stored at once."""
        self._lines[number] = line
        if kept is not None:
            self._kept.append(kept)
        if len(self._lines) >= _MOST or monotonic() - self._since > _LONGEST_S:
            self.store()

    def store(self) -> None:
        """Store what waits: lines first, since one without its picture is only done again."""
        if self._lines:
            self.ledger.write(self._lines)
        if self._kept:
            names = ["images", "masks"]
            if any(kept.cells for kept in self._kept):
                names.append("cell_annotations")
            with self.context.store.transaction(*names) as changes:
                for kept in self._kept:
                    changes["images"].put(kept.image)
                    if kept.mask is not None:
                        changes["masks"].put(kept.mask)
                    for cell in kept.cells:
                        changes["cell_annotations"].put(cell)
        self._kept.clear()
        self._lines.clear()
        self._since = monotonic()
