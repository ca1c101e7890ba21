"""The answer of an evaluation, and the document that it becomes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.inference.calibration import ReliabilityBin
from engine.segmentation.scoring.overlap import mean_dice, overlaps

__all__ = ["MEASURES", "Case", "Evaluation", "Figure", "Gallery", "Measure"]

Measure = Literal["dice", "iou", "precision", "recall", "object_f1", "hausdorff_95_px"]
MEASURES: Final[tuple[Measure, ...]] = (
    "dice", "iou", "precision", "recall", "object_f1", "hausdorff_95_px",
)  # fmt: skip
_DIGITS: Final = 5


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One picture: each measure of each class, NaN where there is nothing to measure.

    ``values`` is ``{measure: {class: value}}`` without the background. A Hausdorff distance is
    infinite where only one of both masks holds the class. ``mean_dice`` is over the classes that
    can be measured, and NaN when none can. ``annotated_px`` counts the pixels that have a truth.
    """

    name: str
    group: str
    mean_dice: float
    annotated_px: int
    values: Mapping[Measure, Mapping[str, float]] = field(hash=False)
    objects: Mapping[str, tuple[int, int, int]] = field(hash=False)

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON; what is no finite number is ``None``."""
        return {
            "name": self.name,
            "group": self.group,
            "mean_dice": _number(self.mean_dice),
            "annotated_px": self.annotated_px,
            **{
                measure: {name: _number(value) for name, value in of_class.items()}
                for measure, of_class in self.values.items()
            },
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A mean over pictures with its 95 % interval, drawn again by groups.

    ``pictures`` is how many could be measured; ``unreachable`` how many have an infinite distance,
    which no mean holds.
    """

    value: float
    low: float
    high: float
    pictures: int
    unreachable: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON; what is no finite number is ``None``."""
        document: dict[str, Any] = {
            "value": _number(self.value),
            "low": _number(self.low),
            "high": _number(self.high),
            "pictures": self.pictures,
        }
        return document | ({"unreachable": self.unreachable} if self.unreachable else {})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """A small picture of one case: the truth left, the answer right, as PNG."""

    name: str
    kind: Literal["worst", "best"]
    mean_dice: float
    png: bytes = field(repr=False)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """How good a model is on pictures that were held back.

    ``part`` says which: the test pictures, or the validation pictures where nothing else was held
    back (their figures flatter, for the training was steered by them), or nothing. ``confusion``
    is ``(K, K)`` pixels, rows the truth. ``reliability`` belongs to the fitted ``temperature``;
    both calibration errors are in 0..1, before and after it.
    """

    classes: tuple[str, ...]
    part: Literal["test", "validation", "none"]
    seed: int
    temperature: float
    mean_dice: Figure
    figures: Mapping[Measure, Mapping[str, Figure]]
    confusion: NDArray[np.int64]
    reliability: tuple[ReliabilityBin, ...]
    calibration_error_before: float
    calibration_error: float
    cases: tuple[Case, ...] = ()
    gallery: tuple[Gallery, ...] = ()
    notes: tuple[str, ...] = ()
    validation_pictures: int = 0

    @property
    def groups(self) -> int:
        """How many independent groups the figures rest on; a picture without one is its own."""
        return len({case.group or f"\0{case.name}" for case in self.cases})

    def summary(self) -> dict[str, Any]:
        """Return what a model card holds: the figures without single pictures."""
        pooled = overlaps(self.confusion)
        return {
            "part": self.part,
            "pictures": len(self.cases),
            "groups": self.groups,
            "mean_dice": self.mean_dice.to_json(),
            **{
                measure: {name: figure.to_json() for name, figure in of_class.items()}
                for measure, of_class in self.figures.items()
            },
            "pooled_dice": {
                name: _number(overlap.dice)
                for name, overlap in zip(self.classes[1:], pooled[1:], strict=True)
            },
            "pooled_mean_dice": _number(mean_dice(pooled)),
            "calibration_error": _number(self.calibration_error),
            "calibration_error_before": _number(self.calibration_error_before),
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything but the gallery's pixels as JSON."""
        return {
            **self.summary(),
            "classes": list(self.classes),
            "seed": self.seed,
            "validation_pictures": self.validation_pictures,
            "temperature": _number(self.temperature),
            "confusion": {"classes": list(self.classes), "pixels": self.confusion.tolist()},
            "reliability": [
                {
                    "lower": one.lower,
                    "upper": one.upper,
                    "pixels": one.count,
                    "confidence": _number(one.confidence),
                    "accuracy": _number(one.accuracy),
                }
                for one in self.reliability
            ],
            "objects": {
                name: dict(zip(("found", "invented", "missed"), counts, strict=True))
                for name, counts in self._objects().items()
            },
            "cases": [case.to_json() for case in self.cases],
            "gallery": [
                {"name": one.name, "kind": one.kind, "mean_dice": _number(one.mean_dice)}
                for one in self.gallery
            ],
            "notes": list(self.notes),
        }

    def _objects(self) -> dict[str, tuple[int, ...]]:
        """Return objects found, invented and missed over all pictures."""
        return {
            name: tuple(sum(case.objects[name][at] for case in self.cases) for at in range(3))
            for name in self.classes[1:]
        }


def _number(value: float) -> float | None:
    return round(float(value), _DIGITS) if math.isfinite(value) else None
