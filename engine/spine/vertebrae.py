"""What a vertebra is: its names in order, the record of one that was found, and label codes.

Knows the order of the names and how names move along it; knows no image and no model.
All coordinates are patient millimetres in RAS+ (x to the right, y to the front, z to the head).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import final

from engine.errors import RequestError

__all__ = [
    "LABELS",
    "REGULAR_LABELS",
    "TOTAL_CODES",
    "VERSE_CODES",
    "Bounds",
    "Point",
    "Vertebra",
    "level_of",
    "shift_names",
]

Point = tuple[float, float, float]
"""(x, y, z) in mm, RAS+."""

Bounds = tuple[Point, Point]
"""Lowest and highest corner of an axis-aligned box in mm, RAS+."""

LABELS: tuple[str, ...] = (
    *(f"C{n}" for n in range(1, 8)),
    *(f"T{n}" for n in range(1, 14)),
    *(f"L{n}" for n in range(1, 7)),
    "S1",
)
"""Every name that we use, from the head down. T13 and L6 occur in few people."""

REGULAR_LABELS: tuple[str, ...] = tuple(name for name in LABELS if name not in ("T13", "L6"))
"""The names of a spine with 7 cervical, 12 thoracic and 5 lumbar vertebrae, and S1."""

VERSE_CODES: Mapping[int, str] = MappingProxyType(
    {**dict(enumerate(REGULAR_LABELS[:-1], start=1)), 25: "L6", 28: "T13"}
)
"""Codes of VerSe label maps, and of TotalSegmentator's ``vertebrae_pp`` (which has no 25, 28)."""

TOTAL_CODES: Mapping[int, str] = MappingProxyType(
    dict(enumerate(reversed(REGULAR_LABELS), start=26))
)
"""Codes of TotalSegmentator's ``total``: 26 is S1, 27 L5, and so on *up* to 50, C1."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Vertebra:
    """One vertebra that was found.

    ``label`` is a name of :data:`LABELS`, or whatever else the finder wrote when it did not know.
    ``centre_mm`` is the centre of the vertebral body (of the whole object where no body could be
    told), ``bounds_mm`` the box around the whole object. ``volume_ml`` is that of the labelled
    object, with arch and processes when the label map has them. ``height_mm`` is the height of the
    body along the spine. ``mean_hu`` is the mean CT number of the body's inside. A value that was
    not measured is ``None``. ``arch_mm`` points from the body's centre to the centre of arch and
    processes, which is backwards; ``None`` when only bodies were labelled.

    ``confidence`` is in 0..1: what the finder said before the audit, and afterwards an estimate
    of "this object is one vertebra and carries its right name". ``truncated`` says that the border
    of the image cuts it. ``flags`` are short words for what is unusual about it.
    """

    label: str
    centre_mm: Point
    bounds_mm: Bounds | None = None
    volume_ml: float | None = None
    height_mm: float | None = None
    mean_hu: float | None = None
    confidence: float = 1.0
    truncated: bool = False
    flags: tuple[str, ...] = ()
    arch_mm: Point | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.confidence <= 1.0:
            raise RequestError(
                f"The confidence of {self.label} has to be in 0..1, but got {self.confidence}."
            )
        if len(self.centre_mm) != 3 or not all(math.isfinite(v) for v in self.centre_mm):
            raise RequestError(
                f"The centre of {self.label} has to be three finite numbers in mm (x, y, z), but "
                f"got {self.centre_mm}."
            )
        for name in ("volume_ml", "height_mm"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise RequestError(
                    f"{name} of {self.label} has to be a number above 0 or None, but got {value}."
                )


def level_of(label: str) -> int | None:
    """Return the place of a name in :data:`LABELS`, or None for anything else.

    >>> level_of("C1"), level_of("T12"), level_of("vertebra 7")
    (0, 18, None)
    """
    return LABELS.index(label) if label in LABELS else None


def shift_names(vertebrae: Sequence[Vertebra], steps: int) -> tuple[Vertebra, ...]:
    """Move every name by ``steps`` levels: 1 turns L1 into L2, −1 turns L1 into T12.

    T13 and L6 are steps of their own only when one of the vertebrae carries them. Names that are
    not of :data:`LABELS` stay.

    >>> [v.label for v in shift_names([Vertebra(label="T12", centre_mm=(0, 0, 0))], 1)]
    ['L1']

    Raises
    ------
    RequestError
        When a name would leave the spine (above C1 or below S1).
    """
    present = {vertebra.label for vertebra in vertebrae}
    ladder = tuple(name for name in LABELS if name in REGULAR_LABELS or name in present)
    return tuple(_shifted(vertebra, steps, ladder) for vertebra in vertebrae)


def _shifted(vertebra: Vertebra, steps: int, ladder: tuple[str, ...]) -> Vertebra:
    if vertebra.label not in ladder:
        return vertebra
    place = ladder.index(vertebra.label) + steps
    if not 0 <= place < len(ladder):
        raise RequestError(
            f"Names can be moved as far as C1 and S1, but {vertebra.label} moved by {steps:+d} "
            f"leaves the spine; choose a smaller step."
        )
    return replace(vertebra, label=ladder[place])
