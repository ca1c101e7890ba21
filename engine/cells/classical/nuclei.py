"""From a density map to nuclei: threshold, fill, cut apart by watershed, measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

__all__ = ["Nucleus", "find_nuclei"]

_CRUMB_PX: Final = 9
_SAME_CELL: Final = 0.5
Box = tuple[float, float, float, float]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Nucleus:
    """One nucleus, in pixels of the density map.

    ``roundness`` is 4π·area / perimeter² of the hull-smoothed outline, 1 for a disc; ``solidity``
    is area over area of the convex hull; ``share`` is the nucleus over the whole cell, areas;
    ``cell`` is left, top, right, bottom of the whole cell; ``density`` the mean.
    """

    area_px: float
    roundness: float
    solidity: float
    share: float
    density: float
    cell: Box

    @property
    def diameter_px(self) -> float:
        """Diameter of a disc of the same area."""
        return float(2 * np.sqrt(self.area_px / np.pi))


def find_nuclei(
    density: NDArray[np.float32],
    *,
    threshold: float,
    smallest_px: float,
    join_px: float,
    split: float,
) -> list[Nucleus]:
    """Return the nuclei of a density map ``(H, W)``; sizes in its pixels."""
    smooth = cv2.GaussianBlur(density, (0, 0), max(0.8, smallest_px / 24))
    mask = np.asarray(ndimage.binary_fill_holes(smooth >= threshold), np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), np.uint8)
    labels, count = _cut_apart(_joined(mask, join_px), smallest_px=smallest_px, split=split)
    labels *= mask
    # The cytoplasm holds a little of the stain: a third of what makes a nucleus.
    around = smooth >= threshold / 3
    found = []
    for number, box in enumerate(ndimage.find_objects(labels, max_label=count), start=1):
        if box is not None:
            one = _measured(labels, number, box, density, around)
            if one is not None:
                found.append(one)
    return _one_cell_each(found)


def _one_cell_each(nuclei: list[Nucleus]) -> list[Nucleus]:
    """Unite pieces whose cells lie mostly in one another: lobes of one nucleus."""
    kept: list[Nucleus] = []
    for piece in sorted(nuclei, key=lambda one: -one.area_px):
        for place, other in enumerate(kept):
            if _shared(piece.cell, other.cell) > _SAME_CELL:
                kept[place] = _united(other, piece)
                break
        else:
            kept.append(piece)
    return kept


def _shared(first: Box, second: Box) -> float:
    """Return the common area over the smaller one's."""
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return max(0.0, wide) * max(0.0, high) / min(areas)


def _united(first: Nucleus, second: Nucleus) -> Nucleus:
    area = first.area_px + second.area_px
    whole = first.area_px / first.share + second.area_px / second.share
    return Nucleus(
        area_px=area,
        roundness=0.5 * min(first.roundness, second.roundness),  # it has lobes
        solidity=0.5 * min(first.solidity, second.solidity),
        share=area / whole,
        density=(first.density * first.area_px + second.density * second.area_px) / area,
        cell=(
            min(first.cell[0], second.cell[0]),
            min(first.cell[1], second.cell[1]),
            max(first.cell[2], second.cell[2]),
            max(first.cell[3], second.cell[3]),
        ),
    )


def _joined(mask: NDArray[np.uint8], gap_px: float) -> NDArray[np.uint8]:
    """Close gaps between lobes."""
    size = round(gap_px)
    if size < 1:
        return mask
    padded = np.pad(mask, size)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size + 1, size + 1))
    closed = np.asarray(cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel), np.uint8)
    return np.asarray(ndimage.binary_fill_holes(closed[size:-size, size:-size]), np.uint8)


def _cut_apart(
    mask: NDArray[np.uint8], *, smallest_px: float, split: float
) -> tuple[NDArray[np.int32], int]:
    """Label the parts of ``mask``; touching discs are cut at narrow necks.

    Markers are what is left of each part after eroding it by ``split`` of its own largest radius.
    """
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    parts, count = ndimage.label(mask)
    if count == 0:
        return np.zeros(mask.shape, np.int32), 0
    largest = np.asarray(ndimage.maximum(distance, parts, np.arange(count + 1)), np.float32)
    largest[0] = np.inf
    inner = (distance >= split * largest[parts]) & (distance >= smallest_px / 8) & (mask > 0)
    markers, made = ndimage.label(inner)
    cut = watershed(-distance, markers, mask=mask > 0)  # type: ignore[no-untyped-call]
    return np.asarray(cut, np.int32), int(made)


def _measured(
    labels: NDArray[np.int32],
    number: int,
    box: tuple[slice, slice],
    density: NDArray[np.float32],
    around: NDArray[np.bool_],
) -> Nucleus | None:
    own = np.asarray(labels[box] == number, np.uint8)
    area = float(own.sum())
    if area < _CRUMB_PX:
        return None
    outlines, _ = cv2.findContours(np.pad(own, 1), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.contourArea(cv2.convexHull(np.concatenate(outlines)))
    inside = max(sum(cv2.contourArea(one) for one in outlines), 1.0)
    length = max(sum(cv2.arcLength(one, closed=True) for one in outlines), 1.0)
    cell, share = _whole_cell(labels, number, box, around, area)
    return Nucleus(
        area_px=area,
        # A staircase outline is longer than the curve it stands for, by about 5 %.
        roundness=min(1.0, 4 * np.pi * inside / (0.95 * length) ** 2),
        solidity=min(1.0, inside / max(hull, 1.0)),
        share=share,
        density=float(density[box][own > 0].mean()),
        cell=cell,
    )


def _whole_cell(
    labels: NDArray[np.int32],
    number: int,
    box: tuple[slice, slice],
    around: NDArray[np.bool_],
    area: float,
) -> tuple[Box, float]:
    """Grow the nucleus into faintly stained pixels around it, by half its width at most."""
    rows, columns = box
    reach = max(2, int(0.5 * np.sqrt(area)))
    y0, x0 = max(0, rows.start - reach), max(0, columns.start - reach)
    y1 = min(labels.shape[0], rows.stop + reach)
    x1 = min(labels.shape[1], columns.stop + reach)
    near = labels[y0:y1, x0:x1]
    may = around[y0:y1, x0:x1] & ((near == 0) | (near == number))
    grown, _ = ndimage.label(may)
    own = grown[near == number]
    kept = np.isin(grown, np.unique(own[own > 0])) if own.any() else near == number
    distance = ndimage.distance_transform_edt(near != number)
    kept &= distance <= reach
    kept |= near == number
    ys, xs = np.nonzero(kept)
    cell = (float(x0 + xs.min()), float(y0 + ys.min()), x0 + xs.max() + 1.0, y0 + ys.max() + 1.0)
    return cell, float(area / kept.sum())
