"""Frames of DICOM files as pictures, without the person: headers are cleaned and left behind."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import Any, Final, final

import cv2
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from engine.datasets.taking import MAX_PIXELS
from engine.errors import DatasetError, TooLargeError
from engine.imaging.volume_files.deidentification import Deidentifier, quiet_pydicom
from engine.imaging.volume_files.dicom_headers import BROKEN_DICOM, syntax_of
from engine.imaging.volume_files.dicom_pixels import check_decoder

__all__ = ["Outline", "frame", "outline"]

_MOST_FRAMES: Final = 5000
_MOST_NAMES: Final = 40


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What a DICOM file holds. ``group`` names its study by a hash, never by its numbers."""

    frames: int
    group: str
    pixel_size_um: float | None
    removed: tuple[str, ...]


def outline(data: bytes) -> Outline:
    """Return what a file holds, from its header.

    Raises
    ------
    DatasetError
        When it is damaged or has no pixels.
    TooLargeError
        For more pixels in a frame than are taken.
    """
    header = _read(data, pixels=False)
    cleaner = Deidentifier()
    cleaner.clean(header)
    try:
        rows, columns = int(header.get("Rows", 0)), int(header.get("Columns", 0))
        frames = int(header.get("NumberOfFrames") or 1)
        spacing = [float(part) for part in header.get("PixelSpacing") or ()]
        study = str(header.get("StudyInstanceUID") or "")
    except (*BROKEN_DICOM,) as problem:
        raise _damaged() from problem
    if rows < 1 or columns < 1 or not 1 <= frames <= _MOST_FRAMES:
        raise DatasetError("The DICOM file holds no picture (a report, a plan or a directory).")
    if rows * columns > MAX_PIXELS:
        raise TooLargeError(
            f"The DICOM picture is {columns}×{rows}, but at most {MAX_PIXELS / 1e6:.0f} megapixels "
            "are accepted."
        )
    is_square = len(spacing) == 2 and abs(spacing[0] - spacing[1]) <= 0.01 * spacing[1]
    names = tuple(f"DICOM {name}" for name in cleaner.removed)
    return Outline(
        frames=frames,
        group=f"study {hashlib.sha256(study.encode()).hexdigest()[:10]}" if study else "",
        pixel_size_um=spacing[1] * 1000 if is_square and spacing[1] > 0 else None,
        removed=(*names[:_MOST_NAMES], *(["and more"] if len(names) > _MOST_NAMES else [])),
    )


def frame(data: bytes, index: int) -> bytes:
    """Return a frame as an 8-bit PNG, in the window that the file asks for, else its full range.

    Raises
    ------
    DatasetError
        When the pixels are damaged.
    MissingBackendError
        When no decoder for their packing is installed.
    """
    dataset = _read(data, pixels=True)
    check_decoder(syntax_of(dataset))
    try:
        samples = np.asarray(pixel_array(dataset, index=index))
        picture = _as_shown(samples, dataset)
    except (*BROKEN_DICOM, RuntimeError) as problem:
        raise _damaged() from problem
    _, packed = cv2.imencode(".png", picture if picture.ndim == 2 else picture[..., ::-1])
    return bytes(packed)


def _as_shown(samples: np.ndarray[Any, Any], dataset: Dataset) -> np.ndarray[Any, Any]:
    kind = str(dataset.get("PhotometricInterpretation", ""))
    if kind == "PALETTE COLOR":
        samples = np.asarray(apply_color_lut(samples, dataset))
        return (samples >> 8).astype(np.uint8) if samples.dtype.itemsize > 1 else samples
    if samples.ndim == 3:
        shift = max(0, int(dataset.get("BitsStored", 8)) - 8)
        return np.ascontiguousarray((samples >> shift).astype(np.uint8))
    values = np.asarray(apply_modality_lut(samples, dataset), np.float64)
    if dataset.get("WindowWidth") or dataset.get("VOILUTSequence"):
        values = np.asarray(apply_voi_lut(values, dataset), np.float64)
    low, high = float(values.min()), float(values.max())
    levels = np.round((values - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
    return 255 - levels if kind == "MONOCHROME1" else levels


def _read(data: bytes, *, pixels: bool) -> Dataset:
    quiet_pydicom()
    try:
        return dcmread(io.BytesIO(data), stop_before_pixels=not pixels, force=True)
    except BROKEN_DICOM as problem:
        raise _damaged() from problem


def _damaged() -> DatasetError:
    return DatasetError("The DICOM file is damaged or cut off; send it again.")
