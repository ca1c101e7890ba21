"""What TotalSegmentator does to the bodies of ``vertebrae_pp`` after the network.

The model was trained on bodies shrunk by 3 mm, so that neighbours do not touch. Where labels touch
all the same, separate bodies are numbered anew: from the most caudal label upwards, or from C1
downwards when C1 is there and L5 is not. Then bodies grow back by 3 mm. One lost body shifts all
names above it: the numbering audit looks for just that.

Source: ``totalsegmentator/postprocessing.py`` of TotalSegmentator 2.18 (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["GROWTH_MM", "separated_bodies"]

GROWTH_MM: Final = 3.0
_SMALLEST_MM3: Final = 100.0

Labels = NDArray[np.uint8]


def separated_bodies(
    labels: Labels, names: Mapping[int, str], spacing_mm: Sequence[float]
) -> Labels:
    """Return bodies with one label each, grown back to their size.

    Parameters
    ----------
    labels
        ``(X, Y, Z)``, RAS+: the last axis grows towards the head.
    names
        Code → name; codes grow from the head down.
    spacing_mm
        Of the voxels, along X, Y, Z.
    """
    if _labels_touch(labels):
        labels = _numbered(labels, names, float(np.prod(spacing_mm)))
    return _grown(labels, names, spacing_mm)


def _labels_touch(labels: Labels) -> bool:
    """Whether two different labels share a face anywhere."""
    for axis in range(3):
        after = np.moveaxis(labels, axis, 0)[1:]
        before = np.moveaxis(labels, axis, 0)[:-1]
        if ((after > 0) & (before > 0) & (after != before)).any():
            return True
    return False


def _numbered(labels: Labels, names: Mapping[int, str], voxel_mm3: float) -> Labels:
    """Give each connected body of at least 100 mm³ one label, in order."""
    result = np.zeros_like(labels)
    parts, _ = ndimage.label(labels > 0)
    sizes = np.bincount(parts.ravel())
    kept = [part for part in range(1, len(sizes)) if sizes[part] * voxel_mm3 >= _SMALLEST_MM3]
    present = set(np.unique(labels[np.isin(parts, kept)]).tolist()) & set(names)
    if not present:
        return result
    codes = {name.rpartition("_")[2]: code for code, name in names.items()}
    from_the_head = codes["L5"] not in present and codes["C1"] in present
    heights = [centre[2] for centre in ndimage.center_of_mass(parts > 0, parts, kept)]
    order = sorted(zip(heights, kept, strict=True), reverse=from_the_head, key=lambda pair: pair[0])
    numbers = (
        range(codes["C1"], max(names) + 1)
        if from_the_head
        else range(max(present), min(names) - 1, -1)
    )
    for (_, part), number in zip(order, numbers, strict=False):  # more bodies than names: dropped
        result[parts == part] = number
    return result


def _grown(labels: Labels, names: Mapping[int, str], spacing_mm: Sequence[float]) -> Labels:
    """Let each body grow into background; of two that meet, the one with the lower code wins."""
    ball = _ball(spacing_mm)
    reach = [int(np.ceil(GROWTH_MM / spacing)) for spacing in spacing_mm]
    result = labels.copy()
    for code, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None or code not in names:
            continue
        wide = tuple(
            slice(max(side.start - by, 0), side.stop + by)
            for side, by in zip(box, reach, strict=True)
        )
        grown = ndimage.binary_dilation(labels[wide] == code, structure=ball)
        part = result[wide]
        part[(part == 0) & grown] = code
    return result


def _ball(spacing_mm: Sequence[float]) -> NDArray[np.bool_]:
    """Return the neighbourhood of 3 mm, in TotalSegmentator's way of placing its voxels."""
    radii = [GROWTH_MM / spacing for spacing in spacing_mm]
    axes = np.ogrid[tuple(slice(-radius, radius + 1) for radius in radii)]
    distance = sum((axis / radius) ** 2 for axis, radius in zip(axes, radii, strict=True))
    return np.asarray(distance <= 1)
