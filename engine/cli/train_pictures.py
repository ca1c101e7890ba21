"""A dataset as people send it, read for a training: each picture with its mask."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import numpy as np
from numpy.typing import NDArray

from engine.cli.train_meaning import Meaning, meaning_of
from engine.datasets.entries import Entry
from engine.datasets.expanding import expanded
from engine.datasets.labelling import mask_of
from engine.datasets.opening import Opened, open_upload
from engine.datasets.sources import form_of
from engine.datasets.surveying import survey_opened
from engine.datasets.taking import take_picture
from engine.errors import DatasetError, LightboxError
from engine.imaging.volumes import Plane

if TYPE_CHECKING:
    from engine.training.examples import TrainingSet

__all__ = ["ReadPictures", "read_pictures"]

_NOT_ANNOTATED: Final = 255
_FEWEST: Final = 2
Tell = Callable[[int, int, str], None]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPictures:
    """What a training gets, what its labels mean, and sentences about what was not used."""

    training_set: TrainingSet
    meaning: Meaning
    form: str
    notes: tuple[str, ...] = ()


@contextmanager
def read_pictures(
    path: Path,
    *,
    name: str = "",
    form: str = "",
    plane: Plane = "axial",
    mapping: Mapping[str, str],
    tell: Tell = lambda _done, _total, _text: None,
) -> Iterator[ReadPictures]:
    """Read a ZIP, a folder or a file for a training; usable until the context ends.

    Every picture and mask is decoded once, so that none fails later; those that cannot be used are
    told in ``notes``. Groups and splits are those that the dataset names.

    Raises
    ------
    DatasetError, NotFoundError, RequestError, TooLargeError
        When it cannot be read, or fewer than two pictures can be used.
    """
    with open_upload(path, title=path.name) as opened:
        seen = survey_opened(opened, form=form, plane=plane)
        meaning = meaning_of(seen, mapping)
        entries, notes = _entries(opened, seen.form, plane)
        usable, refused, digest = _checked(entries, meaning, tell)
        notes += refused
        if len(usable) < _FEWEST:
            raise DatasetError(
                f"Expected at least {_FEWEST} pictures with masks, one to learn from and one to "
                f"look at, but {path.name} has {len(usable)}. {' '.join(notes[:4])}".rstrip()
            )
        yield ReadPictures(
            training_set=_training_set(name or _plain(path), usable, meaning, digest),
            meaning=meaning,
            form=seen.form,
            notes=tuple(notes),
        )


def _plain(path: Path) -> str:
    """Return what a dataset is called after its file: the name without ``.zip``."""
    whole = path.resolve()
    return whole.name if whole.is_dir() else whole.stem


def _entries(opened: Opened, form: str, plane: Plane) -> tuple[list[Entry], list[str]]:
    """Return the pictures that have labels, and sentences about what else there is."""
    found: list[Entry] = []
    notes = []
    bare = 0
    for item in expanded(form_of(opened, form).entries(opened), plane=plane):
        if isinstance(item, Entry):
            bare += item.labels is None
            found += [] if item.labels is None else [item]
        elif item.outcome == "refused":
            notes.append(f"{item.name}: {' '.join(item.sentences)}")
    if bare:
        notes.append(f"{bare} pictures have no mask and are not used.")
    return found, notes


def _checked(
    entries: Sequence[Entry], meaning: Meaning, tell: Tell
) -> tuple[list[Entry], list[str], str]:
    """Return the entries that can be read, why others cannot, and a digest of all pixels."""
    usable: list[Entry] = []
    notes: list[str] = []
    pixels: Counter[int] = Counter()
    digest = hashlib.sha256(repr(meaning.classes).encode())
    for done, entry in enumerate(entries, start=1):
        try:
            picture, mask = _load(entry, meaning)
        except LightboxError as problem:
            notes.append(f"{entry.image.name}: {problem}")
            continue
        usable.append(entry)
        counts = np.bincount(mask.ravel(), minlength=256)
        pixels.update({value: int(counts[value]) for value in np.flatnonzero(counts).tolist()})
        digest.update(f"{entry.name}\0{entry.group}\0{entry.split}\0".encode())
        digest.update(picture.tobytes() + mask.tobytes())
        tell(done, len(entries), "reading pictures")
    _check_classes(pixels, meaning, bool(usable))
    return usable, notes, digest.hexdigest()


def _check_classes(pixels: Mapping[int, int], meaning: Meaning, has_any: bool) -> None:
    """Refuse masks that hold one class only: there is nothing to tell apart."""
    held = [value for value, count in pixels.items() if count and value != _NOT_ANNOTATED]
    if has_any and len(held) < 2:
        what = meaning.classes[held[0]] if held else "not annotated"
        told = ", ".join(f"{key}={target}" for key, target in meaning.mapping.items())
        raise DatasetError(
            f"Expected masks with at least two classes, but every pixel is {what} when the values "
            f"mean {told}; say what they mean with --mapping, for example --mapping 255=gland."
        )


def _load(entry: Entry, meaning: Meaning) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the picture ``(H, W, 3) uint8`` and its mask ``(H, W) uint8``."""
    picture = take_picture(entry.image.read()).picture
    size = (picture.shape[0], picture.shape[1])
    mask, _ = mask_of(entry.labels, mapping=meaning.mapping, classes=meaning.classes, size=size)
    if mask is None:
        raise DatasetError(
            "It has boxes only; a segmentation needs masks or outlines of what is inside."
        )
    return picture, mask


def _training_set(
    name: str, entries: Sequence[Entry], meaning: Meaning, digest: str
) -> TrainingSet:
    from engine.training.examples import Example, TrainingSet

    names = _unique([entry.name for entry in entries])
    return TrainingSet(
        name=name,
        classes=meaning.classes,
        examples=tuple(
            Example(
                name=own,
                load=partial(_load, entry, meaning),
                group=entry.group,
                split=entry.split,
                pixel_size_um=entry.pixel_size_um,
            )
            for own, entry in zip(names, entries, strict=True)
        ),
        manifest_sha256=digest,
    )


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names with a number behind those that occur again."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique
