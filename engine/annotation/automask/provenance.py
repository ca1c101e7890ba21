"""Who a pixel's state comes from: a person, a proposal, or a proposal that a person changed.

It follows from the strokes: those that took a proposal over begin their mark with :data:`AUTO`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.annotation.raster import Box, bounds, covered
from engine.annotation.strokes import Stroke
from engine.imaging.masks import NOT_ANNOTATED, Mask

__all__ = [
    "AUTO",
    "EDITED",
    "HUMAN",
    "MODEL",
    "NOBODY",
    "Region",
    "Whence",
    "by_model",
    "doubt_of",
    "model_of",
    "regions",
    "summary",
    "whence",
]

AUTO: Final = "auto-"
"""How the mark of a stroke begins that took a proposal over."""

_TRAINED: Final = f"{AUTO}model:"

NOBODY: Final = 0
HUMAN: Final = 1
MODEL: Final = 2
EDITED: Final = 3

Whence = Literal["human", "model", "edited"]
_BAND: Final = 512  # rows that are counted together
_NAMES: Final[dict[int, Whence]] = {HUMAN: "human", MODEL: "model", EDITED: "edited"}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Pixels of one state that hang together, and who they come from.

    ``edited`` is a region of which a part is a person's and a part a proposal's.
    """

    state: int
    box: Box
    area_px: int
    whence: Whence


def whence(
    strokes: Iterable[Stroke], shape: tuple[int, int], base: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return for each pixel of ``shape`` who its state comes from: NOBODY, HUMAN, MODEL, EDITED.

    ``strokes`` are those that count, in their order; ``base`` is how it was before them.
    """
    found = np.zeros(shape, np.uint8) if base is None else base.copy()
    for stroke in strokes:
        box = bounds(stroke, shape)
        if box.is_empty:
            continue
        inside, part = covered(stroke, box), found[box.part]
        if stroke.state == NOT_ANNOTATED:
            part[inside] = NOBODY
        elif stroke.mark.startswith(AUTO):
            part[inside] = MODEL
        else:
            part[inside] = np.where(part[inside] >= MODEL, EDITED, HUMAN)
    return found


def by_model(mark: str, model_id: str) -> str:
    """Return the mark of a stroke that took over what the model with that id proposed.

    >>> model_of(by_model("auto-model-0f", "nuclei-2")), model_of("auto-stain-0f")
    ('nuclei-2', '')
    """
    return f"{_TRAINED}{model_id}:{mark.rpartition('-')[2]}"


def model_of(mark: str) -> str:
    """Return the id of the trained model that a stroke's mark names, empty for any other."""
    return mark.removeprefix(_TRAINED).rpartition(":")[0] if mark.startswith(_TRAINED) else ""


def regions(mask: Mask, origins: NDArray[np.uint8]) -> tuple[Region, ...]:
    """Return every region of ``mask`` with who it comes from, by what :func:`whence` said.

    Regions hang together by edges. Pixels nobody is known for, as in a mask that was brought in,
    count as a person's.
    """
    import cv2

    found = []
    for state in np.unique(mask[mask != NOT_ANNOTATED]).tolist():
        here = (mask == state).astype(np.uint8)
        number, labels, boxes, _ = cv2.connectedComponentsWithStats(here, connectivity=4)
        area = boxes[:, cv2.CC_STAT_AREA]
        model, edited = (_counted(labels, origins, kind, number) for kind in (MODEL, EDITED))
        for index in range(1, number):
            left, top, width, height = (int(side) for side in boxes[index][:4])
            box = Box(left=left, top=top, right=left + width, bottom=top + height)
            kind = _kind(int(area[index]), int(model[index]), int(edited[index]))
            found.append(Region(state=state, box=box, area_px=int(area[index]), whence=kind))
    return tuple(found)


def summary(mask: Mask, origins: NDArray[np.uint8]) -> dict[str, dict[str, int]]:
    """Return how many annotated pixels, and how many regions, come from whom.

    Small enough for a record; each region by itself follows from the strokes, by :func:`regions`.
    """
    pixels: dict[str, int] = {}
    counted: dict[str, int] = dict.fromkeys(map(str, _NAMES.values()), 0)
    by_origin = np.zeros(EDITED + 1, np.int64)
    for rows in _bands(mask.shape[0]):
        annotated = origins[rows][mask[rows] != NOT_ANNOTATED]
        by_origin += np.bincount(annotated, minlength=EDITED + 1)
    by_origin[HUMAN] += by_origin[NOBODY]
    for kind, name in _NAMES.items():
        pixels[name] = int(by_origin[kind])
    for region in regions(mask, origins):
        counted[region.whence] += 1
    return {"pixels": pixels, "regions": counted}


def doubt_of(strokes: Iterable[Stroke], shape: tuple[int, int]) -> float | None:
    """Return the mean doubt in 0..1 of all pixels that were drawn; a person's have none.

    ``None`` when no stroke took over a proposal that tells its doubt.
    """
    kept = tuple(strokes)
    if all(stroke.doubt is None for stroke in kept):
        return None
    doubts = np.zeros(shape, np.uint8)
    drawn = np.zeros(shape, np.bool_)
    for stroke in kept:
        box = bounds(stroke, shape)
        if not box.is_empty:
            inside = covered(stroke, box)
            drawn[box.part][inside] = stroke.state != NOT_ANNOTATED
            doubts[box.part][inside] = round(255 * (stroke.doubt or 0.0))
    area = int(np.count_nonzero(drawn))
    doubts *= drawn
    return float(doubts.sum(dtype=np.int64)) / 255 / area if area else None


def _counted(
    labels: NDArray[np.int32], origins: NDArray[np.uint8], kind: int, number: int
) -> NDArray[np.int64]:
    """Return how many pixels of each label are of ``kind``; in bands, for large pictures."""
    found = np.zeros(number, np.int64)
    for rows in _bands(labels.shape[0]):
        found += np.bincount(labels[rows][origins[rows] == kind], minlength=number)
    return found


def _bands(height: int) -> Iterable[slice]:
    return (slice(row, row + _BAND) for row in range(0, height, _BAND))


def _kind(area: int, model: int, edited: int) -> Whence:
    if not model and not edited:
        return _NAMES[HUMAN]
    return _NAMES[MODEL] if model == area else _NAMES[EDITED]
