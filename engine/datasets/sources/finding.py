"""Finds the picture that a list of labels names, wherever its folder lies in the upload."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import final

from engine.datasets.entries import FileOutcome
from engine.datasets.opening import Opened
from engine.datasets.sources.naming import is_picture, stem_of

__all__ = ["Finder", "rest_of"]


@final
class Finder:
    """The pictures of an upload by full path, by file name and by stem."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [name for name in names if is_picture(name)]
        self._by_file: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            self._by_file[PurePosixPath(name).name.lower()].append(name)
            self._by_stem[stem_of(name).lower()].append(name)

    def by_file(self, wanted: str) -> str | None:
        """Return the picture whose path ends like ``wanted``, ``None`` when none or several do."""
        path = PurePosixPath(wanted.replace("\\", "/"))
        return self._closest(self._by_file.get(path.name.lower(), []), path.parts)

    def by_stem(self, stem: str, *, near: str) -> str | None:
        """Return the picture of that stem; of several, the one whose path is most like ``near``."""
        found = self._by_stem.get(stem.lower(), [])
        parts = set(PurePosixPath(near).parts[:-1])
        return max(
            found, key=lambda name: len(parts & set(PurePosixPath(name).parts)), default=None
        )

    def _closest(self, found: list[str], parts: tuple[str, ...]) -> str | None:
        for length in range(len(parts), 0, -1):
            ends = [
                name for name in found if PurePosixPath(name).parts[-length:] == parts[-length:]
            ]
            if len(ends) == 1:
                return ends[0]
            if ends:
                return None
        return found[0] if len(found) == 1 else None


def rest_of(opened: Opened, used: set[str], *, why: str) -> Iterable[FileOutcome]:
    """Yield what was not used: other files as left out."""
    for name in opened.names:
        if name not in used:
            reason = why if is_picture(name) else "No picture and no list of labels."
            yield FileOutcome(name=name, outcome="left_out", sentences=(reason,))
