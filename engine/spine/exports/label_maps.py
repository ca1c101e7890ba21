"""The label map as NIfTI: the uploaded grid, VerSe's codes, and their names inside the file."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.spine.segmenters import LABEL_NAMES

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["label_map_nifti"]

_COMMENT = 6  # code of a header extension with plain text
_SCANNER = 1  # code of an affine that leads to the scanner's millimetres
_PACKING = 3  # of 1..9: maps are mostly empty, so more costs time and saves little


def label_map_nifti(saved: SavedDetection) -> bytes:
    """Return the label map as ``.nii.gz``: ``(I, J, K) uint8`` on the grid of the upload.

    Values are VerSe's codes (1 C1 … 24 L5, 25 L6, 28 T13) and 26 for the sacrum. A header
    extension holds ``{"labels": {"24": "L5", …}}`` as JSON. The affine is the upload's own. Where
    its axes are not at right angles only the sform can say so, and the qform is left out: programs
    that read nothing else refuse the file rather than misplace it.
    """
    import nibabel

    nifti: Any = nibabel.nifti1  # it has types for its arrays only
    image = nifti.Nifti1Image(saved.labels_uploaded, saved.uploaded_affine)
    header = image.header
    header.set_data_dtype(np.uint8)
    header.set_xyzt_units("mm")
    header.set_intent("label", name="vertebrae")
    header["descrip"] = b"Vertebrae by Lightbox, VerSe codes"
    header["cal_max"] = max(LABEL_NAMES)
    image.set_sform(saved.uploaded_affine, _SCANNER)
    if not is_sheared(saved.uploaded_affine):
        image.set_qform(saved.uploaded_affine, _SCANNER)
    else:
        image.set_qform(None, 0)
    header.extensions.append(nifti.Nifti1Extension(_COMMENT, _names(saved)))
    # No time and no file name in the archive's header: the same map gives the same bytes.
    return gzip.compress(image.to_bytes(), _PACKING, mtime=0)


def is_sheared(affine: NDArray[np.float64]) -> bool:
    """Whether axes are not at right angles, so that a rotation and spacings cannot say it."""
    unit = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.abs(unit.T @ unit - np.eye(3)).max() > 1e-4)


def _names(saved: SavedDetection) -> bytes:
    text = {
        "labels": {str(code): name for code, name in sorted(LABEL_NAMES.items())},
        "found": [found.label for found in saved.vertebrae],
        "verdict": saved.document()["audit"]["verdict"],
    }
    return json.dumps(text).encode("ascii")
