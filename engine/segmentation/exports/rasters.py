"""Masks, uncertainty and probabilities as PNG, NIfTI and NumPy archives."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.imaging import masks
from engine.segmentation.results import Segmentation

__all__ = ["mask_png", "nifti", "uncertainty_png", "write_probabilities"]

_BAND_ROWS: Final = 256
_UM_PER_MM: Final = 1000.0
_QUICK: Final = 1


def mask_png(found: Segmentation) -> bytes:
    """Return a grey PNG of 8 bits: each sample is the index of the pixel's class."""
    return masks.encode(found.mask, classes=len(found.classes))


def uncertainty_png(found: Segmentation) -> bytes:
    """Return a grey PNG of 8 bits: 0 sure, 255 all classes alike."""
    _, data = cv2.imencode(".png", np.ascontiguousarray(found.uncertainty))
    return bytes(data)


def nifti(found: Segmentation) -> bytes:
    """Return the mask as ``.nii.gz``, ``(W, H, 1) uint8``: x runs right, y down the picture.

    Voxels have the pixel's size in mm (1 without one). The affine is that of ITK for a flat
    picture: x to the patient's left, y to the back, so that viewers show it upright.
    """
    from nibabel.nifti1 import Nifti1Image

    side = 1.0 if found.pixel_size_um is None else found.pixel_size_um / _UM_PER_MM
    volume = np.ascontiguousarray(found.mask.T)[..., np.newaxis]
    affine = np.diag([-side, -side, side, 1.0])
    image: Any = Nifti1Image(volume, affine, dtype=np.uint8)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    # no time of day in the file: the same mask gives the same bytes
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def write_probabilities(found: Segmentation, path: Path) -> None:
    """Write an ``.npz`` with ``probabilities`` ``(K, H, W) float16`` and the names in ``classes``.

    Probabilities are in 0..1 in steps of about 1/255 and sum to 1; the largest one is that of the
    mask's class. Written band by band, so that it takes no memory. ``numpy.load`` reads it.

    Raises
    ------
    InputError
        When no probabilities were kept.
    """
    levels = found.probabilities
    if levels is None:
        raise InputError(
            "Expected probabilities, but only the mask was kept; predict with probabilities=True."
        )
    with zipfile.ZipFile(
        path, "w", zipfile.ZIP_DEFLATED, compresslevel=_QUICK, allowZip64=True
    ) as archive:
        with archive.open("probabilities.npy", "w", force_zip64=True) as file:
            header = {"descr": "<f2", "fortran_order": False, "shape": levels.shape}
            np.lib.format.write_array_header_1_0(file, header)
            for values in levels:
                for low in range(0, found.height, _BAND_ROWS):
                    rows = slice(low, low + _BAND_ROWS)
                    file.write(_shares(values[rows], levels[:, rows]).tobytes())
        with archive.open("classes.npy", "w") as file:
            np.lib.format.write_array(file, np.array(found.classes), allow_pickle=False)


def _shares(values: NDArray[np.uint8], levels: NDArray[np.uint8]) -> NDArray[np.float16]:
    total = levels.sum(axis=0, dtype=np.float32)
    shares: NDArray[np.float16] = (values / total).astype("<f2")
    return shares
