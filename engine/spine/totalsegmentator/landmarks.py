"""Landmarks in a label map of TotalSegmentator, on a CT's own fine grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.spine.audit import Anchors, find_anchors
from engine.spine.nnunet.mapping import CodeTable
from engine.spine.vertebrae import Vertebra

__all__ = ["anchors_in"]

_COARSE_MM = 3.0
"""Landmarks are centimetres large, and the default model's own voxels have 3 mm."""


def anchors_in(labels: NDArray[np.uint8], affine: NDArray[np.float64], table: CodeTable) -> Anchors:
    """Return the landmarks in ``labels (I, J, K)``, codes of the model as in ``table``, RAS+ mm.

    ``affine`` maps voxel indices to RAS+ mm. A model without landmarks has none.
    """
    if not table.anchors:
        return Anchors()
    steps = np.maximum(1, _COARSE_MM // np.linalg.norm(affine[:3, :3], axis=0)).astype(int)
    coarse = labels[tuple(slice(None, None, step) for step in steps)]
    to_mm = affine @ np.diag([*steps, 1.0])
    return find_anchors(coarse, to_mm, _centres(coarse, to_mm, table), codes=table.anchors)


def _centres(
    labels: NDArray[np.uint8], affine: NDArray[np.float64], table: CodeTable
) -> tuple[Vertebra, ...]:
    """Return where vertebrae are, by their centres of mass: enough to find what lies beside."""
    boxes = ndimage.find_objects(labels, max_label=max(table.vertebrae))
    found = []
    for code, name in table.vertebra_names.items():
        box = boxes[code - 1]
        if box is not None:
            inside = np.argwhere(labels[box] == code).mean(axis=0) + [side.start for side in box]
            x, y, z = (affine[:3, :3] @ inside + affine[:3, 3]).tolist()
            found.append(Vertebra(label=name, centre_mm=(x, y, z)))
    return tuple(found)
