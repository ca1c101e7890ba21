"""What a dataset is like, in the few figures that the choices of a training follow from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import cv2
import numpy as np

from engine.segmentation.normalising import Normalisation
from engine.training.examples import TrainingSet
from engine.training.preparing import PreparedPicture, PreparedSet, prepare, read_prepared

__all__ = ["Fingerprint", "fingerprint", "sampled_fingerprint"]

_LOOKED_AT = 40


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """A dataset in figures.

    ``median_height_px`` and ``median_width_px`` are of the pictures; ``shares`` are parts of the
    annotated pixels by class; ``annotated_share`` is of all pixels. ``object_px`` is the median
    width of objects by class (twice the largest distance to their border), 0 where a class has
    none. ``megapixels`` is all pictures together.
    """

    pictures: int
    groups: int
    median_height_px: int
    median_width_px: int
    largest_side_px: int
    megapixels: float
    shares: dict[str, float]
    annotated_share: float
    object_px: dict[str, float]

    @property
    def is_thin(self) -> bool:
        """Whether a class has objects of at most six pixels across, such as vessels."""
        return any(0 < size <= 6 for size in self.object_px.values())

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON."""
        return {
            "pictures": self.pictures,
            "groups": self.groups,
            "median_height_px": self.median_height_px,
            "median_width_px": self.median_width_px,
            "largest_side_px": self.largest_side_px,
            "megapixels": self.megapixels,
            "shares": self.shares,
            "annotated_share": self.annotated_share,
            "object_px": self.object_px,
        }


def fingerprint(prepared: PreparedSet) -> Fingerprint:
    """Look at prepared pictures; objects are measured in at most 40 of them."""
    pictures = prepared.pictures
    counts = np.array([one.counts for one in pictures], float).sum(axis=0)
    pixels = sum(one.height * one.width for one in pictures)
    sides = np.array([(one.height, one.width) for one in pictures])
    return Fingerprint(
        pictures=len(pictures),
        groups=len({one.group or f"\0{one.name}" for one in pictures}),
        median_height_px=int(np.median(sides[:, 0])),
        median_width_px=int(np.median(sides[:, 1])),
        largest_side_px=int(sides.max()),
        megapixels=round(pixels / 1e6, 3),
        shares={
            name: round(float(share), 4)
            for name, share in zip(prepared.classes, counts / max(1.0, counts.sum()), strict=True)
        },
        annotated_share=round(float(counts.sum()) / max(1, pixels), 4),
        object_px=_object_sizes(pictures, prepared.classes),
    )


def sampled_fingerprint(training_set: TrainingSet, folder: Path, *, most: int) -> Fingerprint:
    """Return about what all pictures are like, from at most ``most`` of them from all over.

    ``folder`` is for what is prepared on the way. Counts are of all pictures, as far as they are
    known without loading them.

    Raises
    ------
    DatasetError
        When what was looked at cannot be learnt from.
    """
    every = training_set.examples
    step = max(1.0, len(every) / most)
    chosen = tuple(every[int(at * step)] for at in range(min(most, len(every))))
    some = replace(training_set, examples=chosen)
    for _ in prepare(some, folder, Normalisation()):
        pass
    found = fingerprint(read_prepared(some, folder))
    groups = {one.group or f"\0{one.name}" for one in every}
    return replace(
        found,
        pictures=len(every),
        groups=len(groups),
        megapixels=round(found.megapixels * len(every) / len(chosen), 3),
    )


def _object_sizes(pictures: Sequence[PreparedPicture], classes: Sequence[str]) -> dict[str, float]:
    step = max(1, len(pictures) // _LOOKED_AT)
    found: dict[str, list[float]] = {name: [] for name in classes[1:]}
    for one in pictures[::step]:
        side = 1024  # a part of a large picture says enough
        mask = np.array(one.mask()[:side, :side])
        for value, name in enumerate(classes[1:], start=1):
            found[name] += _widths(mask == value)
    return {
        name: round(float(np.median(sizes)), 1) if sizes else 0.0 for name, sizes in found.items()
    }


def _widths(here: np.ndarray) -> list[float]:
    """Return the width of each object: twice the largest distance to what it is not."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(here.astype(np.uint8))
    if number < 2:
        return []
    distance = cv2.distanceTransform(here.astype(np.uint8), cv2.DIST_L2, 3)
    widest = np.zeros(number, np.float32)
    np.maximum.at(widest, labels.ravel().astype(np.int64), distance.ravel())
    return [2.0 * float(widest[i]) for i in range(1, number) if stats[i, cv2.CC_STAT_AREA] >= 8]
