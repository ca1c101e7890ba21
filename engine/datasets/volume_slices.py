"""Slices of NIfTI volumes as pictures, and of label volumes as masks that lie over them.

Both are cut through the same turn to patient axes, so that a mask fits its slice whatever way
round its file was written.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, final

import cv2
import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError

from engine.datasets.entries import MaskFile, PictureFile
from engine.errors import DatasetError, TooLargeError
from engine.imaging.volumes import Plane, Volume

__all__ = ["Outline", "Slices"]

nib: Any = nibabel  # its methods have no types

_MAX_VOXELS: Final = 300_000_000
_CT_LOW, _CT_HIGH = -160.0, 240.0  # level 40, width 400: soft tissue
_TEXTS: Final = {"descrip": "Description", "aux_file": "Auxiliary file"} | {
    "intent_name": "Intent name",
    "db_name": "Database name",
}
_BROKEN: Final = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, IndexError, zlib.error),
    *(HeaderDataError, nibabel.filebasedimages.ImageFileError),
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What a volume is before its voxels are looked at: slices in a plane, size of a pixel."""

    count: int
    pixel_size_um: float | None
    removed: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    volume: Volume
    low: float
    high: float


class Slices:
    """Cuts slices and keeps the last picture volume and the last label volume in memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Loaded] = OrderedDict()

    def outline(self, file: PictureFile, plane: Plane) -> Outline:
        """Return what a volume will give.

        Raises
        ------
        DatasetError
            When the file is no NIfTI volume of three dimensions.
        TooLargeError
            For more than 300 million voxels.
        """
        image = _opened(file.read())
        shape, header = image.shape[:3], image.header
        tiny = Volume(
            voxels=np.zeros((1, 1, 1), np.float32), affine=np.asarray(image.affine, np.float64)
        )
        cut = tiny.slice(plane, 0)
        rows_mm, columns_mm = cut.spacing_mm
        is_square = abs(rows_mm - columns_mm) <= 0.01 * columns_mm
        removed = tuple(words for field, words in _TEXTS.items() if header.get(field))
        if len(header.extensions):
            removed = (*removed, "Header extensions")
        return Outline(
            count=int(shape[cut.axes[2]]),
            pixel_size_um=columns_mm * 1000 if is_square else None,
            removed=removed,
        )

    def check_pair(self, picture: PictureFile, labels: PictureFile) -> None:
        """Compare a volume with its labels.

        Raises
        ------
        DatasetError
            When their shapes or places differ.
        """
        one, other = _opened(picture.read()), _opened(labels.read())
        if one.shape[:3] != other.shape[:3]:
            raise DatasetError(
                f"The labels have {'×'.join(map(str, other.shape))} voxels but their volume has "
                f"{'×'.join(map(str, one.shape))}; export them on the volume's grid."
            )
        if not np.allclose(one.affine, other.affine, atol=0.05):
            raise DatasetError(
                "The labels lie elsewhere in the patient than their volume (their affines "
                "differ); export them on the volume's grid."
            )

    def picture(self, file: PictureFile, plane: Plane, index: int) -> bytes:
        """Return a slice as an 8-bit PNG: CT in a soft tissue window, else its own range."""
        loaded = self._load(file.name, file.read)
        pixels = loaded.volume.slice(plane, index).pixels
        share = (pixels - loaded.low) / max(loaded.high - loaded.low, 1e-6)
        return _png(np.round(np.clip(share, 0, 1) * 255).astype(np.uint8))

    def labels(self, file: MaskFile, plane: Plane, index: int) -> bytes:
        """Return a slice of labels as a 16-bit PNG."""
        loaded = self._load(file.name, file.read)
        pixels = np.round(loaded.volume.slice(plane, index).pixels)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise DatasetError("Labels lie in 0..65535, but this volume holds others.")
        return _png(pixels.astype(np.uint16))

    def _load(self, name: str, read: Any) -> _Loaded:  # noqa: ANN401 – a Reader
        found = self._kept.pop(name, None)
        if found is None:
            while len(self._kept) > 1:
                self._kept.popitem(last=False)
            found = _loaded(_opened(read()))
        self._kept[name] = found
        return found


def _opened(data: bytes) -> Any:  # noqa: ANN401 – nibabel's image
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(_MAX_VOXELS * 8)
        is_second = data[4:12] == b"n+2\0\r\n\x1a\n"
        kind = nib.Nifti2Image if is_second else nib.Nifti1Image
        image = kind.from_bytes(data)
        shape = tuple(image.shape)
    except _BROKEN as problem:
        raise DatasetError("The NIfTI file is damaged or cut off; export it again.") from problem
    if len(shape) < 3 or any(side != 1 for side in shape[3:]) or 0 in shape:
        raise DatasetError(
            f"Expected a volume of three dimensions, but the NIfTI has {'×'.join(map(str, shape))}."
        )
    if np.prod(shape, dtype=np.int64) > _MAX_VOXELS:
        raise TooLargeError(
            f"The volume has {np.prod(shape, dtype=np.int64) / 1e6:,.0f} million voxels, but at "
            f"most {_MAX_VOXELS / 1e6:,.0f} million are accepted."
        )
    return image


def _loaded(image: Any) -> _Loaded:  # noqa: ANN401 – nibabel's image
    try:
        voxels = np.asarray(image.dataobj, np.float32).reshape(image.shape[:3])
    except _BROKEN as problem:
        raise DatasetError("The NIfTI file is damaged or cut off; export it again.") from problem
    voxels = np.nan_to_num(voxels, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(voxels.min()), float(voxels.max())
    if low <= -900:
        low, high = _CT_LOW, _CT_HIGH
    elif high > 255 or low < 0:
        low, high = (float(v) for v in np.percentile(voxels[::2, ::2, ::2], (0.5, 99.5)))
    elif high > 1:
        low, high = 0.0, 255.0
    volume = Volume(voxels=voxels, affine=np.asarray(image.affine, np.float64))
    return _Loaded(volume=volume, low=low, high=high)


def _png(pixels: np.ndarray[Any, Any]) -> bytes:
    _, data = cv2.imencode(".png", pixels)
    return bytes(data)
