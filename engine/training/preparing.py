"""Pictures and masks once through the decoder, then as arrays on the disk that are read in parts.

An array of the disk costs no memory, and a patch of it is there in a fraction of a millisecond, so
that the network never waits. What is there already is passed over, so an interrupted preparation
goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import DatasetError
from engine.imaging.masks import NOT_ANNOTATED
from engine.segmentation.normalising import Levels, Normalisation
from engine.training.disk import write_atomically
from engine.training.examples import Example, Loaded, TrainingSet, checked

__all__ = ["PreparedPicture", "PreparedSet", "prepare", "read_prepared"]

_PLACES: Final = 2_000
"""Places kept of each class of a picture, where patches may be cut."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedPicture:
    """One picture on the disk. ``counts`` are pixels of each class, ``unknown`` the others.

    ``places`` has for each class ``(n, 2)`` rows and columns of some of its pixels.
    """

    name: str
    group: str
    split: str
    folder: Path
    height: int
    width: int
    counts: tuple[int, ...]
    unknown: int
    levels: Levels
    places: tuple[NDArray[np.int32], ...]
    pixel_size_um: float | None = None

    @property
    def annotated(self) -> int:
        """Pixels with a truth."""
        return sum(self.counts)

    def picture(self) -> NDArray[np.uint8]:
        """Return the pixels ``(H, W, 3) uint8`` as an array of the disk."""
        found: NDArray[np.uint8] = np.load(self.folder / "picture.npy", mmap_mode="r")
        return found

    def mask(self) -> NDArray[np.uint8]:
        """Return the mask ``(H, W) uint8`` as an array of the disk."""
        found: NDArray[np.uint8] = np.load(self.folder / "mask.npy", mmap_mode="r")
        return found

    def example(self) -> Example:
        """Return the same as an example, read from the disk."""

        def load() -> Loaded:
            return np.array(self.picture()), np.array(self.mask())

        return Example(name=self.name, group=self.group, load=load)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSet:
    """All pictures of a training on the disk, in the order of its examples."""

    name: str
    classes: tuple[str, ...]
    pictures: tuple[PreparedPicture, ...]
    manifest_sha256: str = ""


def prepare(
    training_set: TrainingSet,
    folder: Path,
    normalisation: Normalisation,
    *,
    before: Callable[[], object] = lambda: None,
) -> Iterator[tuple[int, int, str]]:
    """Write every picture below ``folder``; yield how many are done, of how many, and a name.

    ``before`` is called before each picture; what it raises ends the preparation, and what was
    written stays.

    Raises
    ------
    DatasetError
        When a picture and its mask do not fit, or nothing at all is annotated.
    DiskShortError
        When the disk is full.
    """
    total = len(training_set.examples)
    seen = np.zeros(len(training_set.classes), np.int64)
    for number, example in enumerate(training_set.examples):
        own = folder / f"{number:05}"
        if not (own / "about.json").is_file():
            before()
            _write(example, own, len(training_set.classes), normalisation)
        seen += np.array(_about(own)["counts"])
        yield number + 1, total, example.name
    _check_classes(training_set, seen)


def read_prepared(training_set: TrainingSet, folder: Path) -> PreparedSet:
    """Return what :func:`prepare` wrote."""
    return PreparedSet(
        name=training_set.name,
        classes=training_set.classes,
        pictures=tuple(
            _read(example, folder / f"{number:05}")
            for number, example in enumerate(training_set.examples)
        ),
        manifest_sha256=training_set.manifest_sha256,
    )


def _check_classes(training_set: TrainingSet, seen: NDArray[np.int64]) -> None:
    if not seen.sum():
        raise DatasetError(
            f"Nothing is annotated in the {len(training_set.examples)} masks of "
            f"“{training_set.name}”; draw what belongs to each class, and what is background."
        )
    present = [name for name, count in zip(training_set.classes, seen, strict=True) if count]
    if len(present) < 2:
        raise DatasetError(
            f"All annotated pixels of “{training_set.name}” are “{present[0]}”, so there is "
            f"nothing to tell apart; mark pixels of {' or '.join(training_set.classes)} too."
        )


def _write(example: Example, folder: Path, classes: int, normalisation: Normalisation) -> None:
    picture, mask = checked(example, classes)
    folder.mkdir(parents=True, exist_ok=True)
    levels = normalisation.measure(picture)
    places = _places(mask, classes)
    write_atomically(folder / "picture.npy", lambda file: np.save(file, picture))
    write_atomically(folder / "mask.npy", lambda file: np.save(file, mask))
    write_atomically(
        folder / "places.npz",
        lambda file: np.savez(file, **{str(i): found for i, found in enumerate(places)}),  # type: ignore[arg-type]  # numpy's stub takes them for its options
    )
    found = np.bincount(mask.ravel(), minlength=256)
    about = {
        "height": picture.shape[0],
        "width": picture.shape[1],
        "counts": found[:classes].tolist(),
        "unknown": int(found[NOT_ANNOTATED]),
        "mean": list(levels.mean),
        "std": list(levels.std),
    }
    text = json.dumps(about).encode()
    # Last: with it the picture counts as prepared.
    write_atomically(folder / "about.json", lambda file: file.write(text))


def _places(mask: NDArray[np.uint8], classes: int) -> list[NDArray[np.int32]]:
    """Return for each class some of its pixels, evenly from all over the mask."""
    flat = mask.ravel()
    found = []
    for value in range(classes):
        at = np.flatnonzero(flat == value)
        if len(at) > _PLACES:
            at = at[np.linspace(0, len(at) - 1, _PLACES).astype(np.int64)]
        found.append(np.stack(np.unravel_index(at, mask.shape), axis=1).astype(np.int32))
    return found


def _about(folder: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((folder / "about.json").read_bytes())
    return about


def _read(example: Example, folder: Path) -> PreparedPicture:
    about = _about(folder)
    with np.load(folder / "places.npz") as places:
        found = tuple(places[str(i)] for i in range(len(about["counts"])))
    return PreparedPicture(
        name=example.name,
        group=example.group,
        split=example.split,
        folder=folder,
        height=int(about["height"]),
        width=int(about["width"]),
        counts=tuple(int(count) for count in about["counts"]),
        unknown=int(about["unknown"]),
        levels=Levels(mean=tuple(about["mean"]), std=tuple(about["std"])),
        places=found,
        pixel_size_um=example.pixel_size_um,
    )
