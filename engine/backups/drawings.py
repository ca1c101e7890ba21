"""Strokes that are in no revision yet: the journals of the pictures, saved and brought back.

A journal only grows, so its whole lines of one moment are a state. In an archive each is one
member, ``drawings/<picture>.journal``; in a home it is ``drawings/<picture>/journal``.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Final, final

from engine.annotation.history import History
from engine.annotation.lines import held, read_lines
from engine.backups.capturing import Part
from engine.backups.packing import Readable, sync_folder
from engine.errors import BackupError, RequestError

__all__ = ["Drawings", "bring_drawings_back", "captured_drawings", "look_through"]

_BELOW: Final = "drawings/"
_SUFFIX: Final = ".journal"
_JOURNAL: Final = "journal"
_ASIDE: Final = "journal.before-restore"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Drawings:
    """What journals hold: pictures, strokes that count, and lines that cannot be read."""

    pictures: int
    strokes: int
    damaged: int


def captured_drawings(folder: Path) -> tuple[Part, ...]:
    """Return the journals below ``folder`` as they are; they may go on growing."""
    parts = []
    for path in sorted(folder.glob(f"*/{_JOURNAL}")):
        with suppress(FileNotFoundError):
            size = _whole_bytes(path)
            name = f"{_BELOW}{path.parent.name}{_SUFFIX}"
            parts.append(Part(name=name, size=size, open=_giver(path, size)))
    return tuple(parts)


def look_through(folder: Path) -> Drawings:
    """Read every journal that was unpacked into ``folder``.

    Raises
    ------
    BackupError
        When one holds something else than strokes and what is done with them.
    """
    pictures = strokes = damaged = 0
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        entries, _, torn = read_lines(path)
        history = History()
        try:
            for entry in entries:
                history.add(entry)
        except (RequestError, KeyError, TypeError, ValueError) as problem:
            raise BackupError(
                f"The strokes of picture {path.stem} in the backup cannot be read ({problem}); "
                "take another backup."
            ) from problem
        pictures, damaged = pictures + 1, damaged + torn
        strokes += sum(what.stroke is not None for what in history.done)
    return Drawings(pictures=pictures, strokes=strokes, damaged=damaged)


def bring_drawings_back(unpacked: Path, folder: Path) -> None:
    """Put the journals that were unpacked in the place of those below ``folder``.

    Those that were begun since are kept beside under another name, and so they are out of use.
    Whoever writes at the moment is waited for.
    """
    saved = {path.stem: path for path in unpacked.glob(f"*{_SUFFIX}")}
    there = {path.parent.name for path in folder.glob(f"*/{_JOURNAL}")}
    for name in sorted(saved.keys() | there):
        place = folder / name
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with held(place / "lock"):
            if name in saved:
                fresh = place / f".{_JOURNAL}.new"
                copyfile(saved[name], fresh)
                fresh.chmod(0o600)
                fresh.replace(place / _JOURNAL)
            else:
                (place / _JOURNAL).replace(place / _ASIDE)
            sync_folder(place)


def _whole_bytes(path: Path) -> int:
    """Return where the last whole line ends."""
    return read_lines(path)[1]


def _giver(path: Path, size: int) -> Callable[[], Readable]:
    """Return what reads the journal up to ``size``; only one at a time is held in memory."""

    def give() -> Readable:
        with path.open("rb") as stream:
            return io.BytesIO(stream.read(size))

    return give
