"""Which pictures are meant, and the names of the files that are written for each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from engine.errors import InputError

__all__ = ["Target", "replaced", "targets"]

_ENDINGS: Final = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A picture, and where what is found in it goes: ``stem`` in the folder ``out``."""

    picture: Path
    out: Path
    stem: str

    @property
    def mask(self) -> Path:
        """Index of each pixel's class."""
        return self.out / f"{self.stem}.png"

    @property
    def probabilities(self) -> Path:
        """Probabilities of all classes."""
        return self.out / f"{self.stem}.npz"

    @property
    def overlay(self) -> Path:
        """The picture with its classes."""
        return self.out / f"{self.stem}_overlay.png"

    def check(self) -> None:
        """Make sure that no picture is overwritten.

        Raises
        ------
        InputError
            When the picture itself lies where a file would be written.
        """
        own = self.picture.resolve()
        if own in (self.mask.resolve(), self.overlay.resolve()):
            raise InputError(
                f"The result would overwrite the picture {self.picture}; choose another folder "
                "with --out."
            )


def targets(given: Sequence[Path], out: Path) -> list[Target]:
    """Return a target for each picture, in the order given; folders stand for their pictures.

    Two pictures of one name get ``name`` and ``name-2``; letters of either case are alike, as
    they are on some disks.

    Raises
    ------
    InputError
        When a folder holds no picture, or ``out`` cannot be a folder.
    """
    pictures = [picture for one in given for picture in _pictures_of(one)]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Expected a folder at {out}, but it cannot be made ({error.strerror}); choose another "
            "one with --out."
        ) from error
    wanted = {picture.stem.casefold() for picture in pictures}
    taken: set[str] = set()
    found = []
    for picture in pictures:
        stem = _free(picture.stem, taken, wanted)
        taken |= {stem.casefold(), f"{stem}_overlay".casefold()}
        found.append(Target(picture=picture, out=out, stem=stem))
    return found


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a file beside ``path`` to write to; it takes its place at the end, if all went well."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".predict-") as work:
        part = Path(work) / path.name
        yield part
        part.replace(path)


def _free(stem: str, taken: set[str], wanted: set[str]) -> str:
    if stem.casefold() not in taken:
        return stem
    number = 2
    while f"{stem}-{number}".casefold() in taken | wanted:
        number += 1
    return f"{stem}-{number}"


def _pictures_of(given: Path) -> list[Path]:
    if not given.is_dir():
        return [given]  # a missing file is this picture's own error
    found = sorted(path for path in given.iterdir() if path.suffix.lower() in _ENDINGS)
    if not found:
        raise InputError(
            f"Expected pictures ({', '.join(_ENDINGS)}) in the folder {given}, but there are none."
        )
    return found
