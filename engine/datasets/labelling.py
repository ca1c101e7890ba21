"""The labels of one picture to its mask, whatever they came as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.datasets.conventions import apply
from engine.datasets.drawing import draw_shapes
from engine.datasets.entries import Box, Labels, MaskFile, ObjectMasks, Shapes
from engine.datasets.mask_files import read_mask
from engine.datasets.taking import MAX_PIXELS
from engine.errors import DatasetError
from engine.imaging import masks

__all__ = ["boxes_of", "mask_of"]


def mask_of(
    labels: Labels | None,
    *,
    mapping: Mapping[str, str],
    classes: Sequence[str],
    size: tuple[int, int],
) -> tuple[NDArray[np.uint8] | None, tuple[str, ...]]:
    """Return the mask ``(H, W) uint8`` of indices into ``classes``, and what was repaired.

    ``None`` where there are no labels, or only boxes. ``size`` is the picture's height and width.

    Raises
    ------
    DatasetError, PictureError, TooLargeError
        When the labels cannot be read or do not fit.
    """
    if isinstance(labels, MaskFile):
        raw = read_mask(labels.read(), max_pixels=MAX_PIXELS)
        return apply(raw, mapping, classes=classes, size=size)
    if isinstance(labels, ObjectMasks):
        objects = [_value(name, mapping, classes) for name in labels.class_names]
        return _merged(labels, objects, size)
    if isinstance(labels, Shapes):
        outlines = [shape for shape in labels.shapes if not isinstance(shape, Box)]
        if labels.shapes and not outlines:
            return None, ()
        names = {shape.class_name for shape in outlines}
        values = {name: _value(name, mapping, classes) for name in names}
        return draw_shapes(labels, values, size)
    return None, ()


def boxes_of(
    labels: Labels | None, size: tuple[int, int]
) -> tuple[tuple[Box, ...], tuple[str, ...]]:
    """Return the boxes among labels, cut to the picture, and what was repaired.

    Boxes without area (BCCD has two) and boxes outside are left out.
    """
    if not isinstance(labels, Shapes):
        return (), ()
    kept, empty, cut = [], 0, 0
    for box in labels.shapes:
        if not isinstance(box, Box):
            continue
        left, top = max(0.0, box.x), max(0.0, box.y)
        right = min(float(size[1]), box.x + box.width)
        bottom = min(float(size[0]), box.y + box.height)
        if not (right > left and bottom > top):
            empty += 1
            continue
        whole = Box(
            class_name=box.class_name, x=left, y=top, width=right - left, height=bottom - top
        )
        cut += max(abs(whole.width - box.width), abs(whole.height - box.height)) > 1
        kept.append(whole)
    notes = [f"{empty} boxes without area were left out."] if empty else []
    if cut:
        notes.append(f"{cut} boxes reached beyond the picture and were cut.")
    return tuple(kept), tuple(notes)


def _merged(
    labels: ObjectMasks, values: Sequence[int], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    merged = np.zeros(size, np.uint8)
    shared = 0
    for file, value in zip(labels.files, values, strict=True):
        raw = read_mask(file.read(), max_pixels=MAX_PIXELS)
        if raw.size != size:
            raise DatasetError(
                f"An object's mask is {raw.size[1]}×{raw.size[0]} but its picture is "
                f"{size[1]}×{size[0]}; export the masks at the picture's size."
            )
        top = int(raw.labels.max())
        here = raw.labels > (top // 2 if top > 1 else 0)
        shared += int((merged[here] > 0).sum())
        merged[here] = value
    notes = [f"{len(labels.files)} masks of objects were merged."]
    if shared:
        notes.append(f"Objects share {shared:,} pixels.")
    return merged, tuple(notes)


def _value(name: str, mapping: Mapping[str, str], classes: Sequence[str]) -> int:
    target = mapping.get(name, name)
    if target == "not_annotated":
        return masks.NOT_ANNOTATED
    if target not in classes:
        raise DatasetError(
            f"The dataset has the classes {', '.join(classes)}, but labels name {target[:80]}."
        )
    return list(classes).index(target)
