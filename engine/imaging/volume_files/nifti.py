"""NIfTI-1 and NIfTI-2 files (.nii, .nii.gz) to volumes.

Rules of nifti1.h (https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h): the sform counts
when its code is above 0, else the qform, else there is no orientation, which is told. Free text in
the header is dropped. Voxels are read in slabs, so that little more than the volume is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias, final

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from engine.errors import VolumeError
from engine.imaging.volume_files.hounsfield import tidy_hu
from engine.imaging.volume_files.results import (
    ReadForecast,
    ReadVolume,
    SeriesNote,
    VolumeLimits,
    Watch,
)
from engine.imaging.volume_files.sources import UNREADABLE, Source, unzipped
from engine.imaging.volumes import Volume

__all__ = ["read_nifti"]

nib: Any = nibabel  # its methods have no types
NiftiHeader: TypeAlias = Any

_SLAB_BYTES = 16_000_000
_MAX_OFFSET = 64_000_000  # extensions in front of the voxels are text, never that long
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # unknown, metre, millimetre, micron
_SPACING_MM = (0.05, 25.0)
_FREE_TEXT = {"descrip": "Description", "aux_file": "Auxiliary file", "intent_name": "Intent name"}
_FREE_TEXT |= {"db_name": "Database name", "data_type": "Data type name"}
_BROKEN = (*UNREADABLE, OSError, ValueError)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where the voxels lie and what they mean."""

    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    offset: int
    slope: float
    intercept: float
    affine: NDArray[np.float64]
    warnings: tuple[str, ...]
    removed: tuple[str, ...]


def read_nifti(source: Source, *, limits: VolumeLimits, watch: Watch) -> ReadVolume:
    """Read one NIfTI file.

    Raises
    ------
    VolumeError
        When it is cut off, damaged, not three-dimensional, or not in HU.
    TooLargeError
        When the header states more than the limit of voxels.
    """
    with unzipped(source) as stream:
        layout = _read_header(stream)
        limits.check_voxels(layout.shape)
        plane_bytes = layout.shape[0] * layout.shape[1] * layout.dtype.itemsize
        series = SeriesNote(
            description=f"NIfTI, {'×'.join(map(str, layout.shape))} voxels",
            slices=layout.shape[2],
            reason="the only volume",
            is_usable=True,
        )
        watch.before_reading(
            ReadForecast.of(
                layout.shape,
                more_bytes=3 * max(_SLAB_BYTES, plane_bytes),
                affine=layout.affine,
                kind="nifti",
                series=series,
            )
        )
        voxels = _read_voxels(stream, layout, watch)
    warnings = (*layout.warnings, *tidy_hu(voxels, is_declared=False))
    if layout.dtype.itemsize == 1:
        warnings += ("The file has only 256 grey levels; densities are coarse.",)
    volume = Volume(voxels=voxels, affine=layout.affine)
    if volume.is_sheared:
        volume = volume.straightened()
        warnings += ("The axes were not at right angles; the volume was resampled.",)
    return ReadVolume(
        volume=volume,
        kind="nifti",
        series=series,
        others=(),
        frame="array indices (i, j, k) of the NIfTI file, from 0",
        removed=layout.removed,
        warnings=warnings,
    )


# --- header --------------------------------------------------------------------------------------


def _read_header(stream: BinaryIO) -> _Layout:
    start = _bytes(stream, 4)
    is_first = int.from_bytes(start, "little") == 348 or int.from_bytes(start, "big") == 348
    kind = nib.Nifti1Header if is_first else nib.Nifti2Header
    block = start + _bytes(stream, (348 if is_first else 540) - 4)
    try:
        header = kind(block, check=False)
        dtype = np.dtype(header.get_data_dtype())
        slope, intercept = header.get_slope_inter()
    except (HeaderDataError, KeyError, TypeError, ValueError):
        raise _damaged() from None
    shape, warnings = _shape_of(header)
    if dtype.kind not in "iuf":
        raise VolumeError(
            f"Expected one number for each voxel, but the NIfTI holds {_kind_words(dtype)}; "
            "export the CT itself."
        )
    affine, notes = _affine_of(header)
    offset = int(header["vox_offset"]) or len(block) + 4
    if not len(block) + 4 <= offset <= _MAX_OFFSET:
        raise _damaged()
    removed = [words for field, words in _FREE_TEXT.items() if header.get(field)]
    if _bytes(stream, 4)[:1] not in (b"", b"\0"):
        removed.append("Header extensions")
    _skip(stream, offset - len(block) - 4)
    return _Layout(
        shape=shape,
        dtype=dtype,
        offset=offset,
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        affine=affine,
        warnings=(*warnings, *notes),
        removed=tuple(f"NIfTI header: {name}" for name in removed),
    )


def _shape_of(header: NiftiHeader) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    """Return the sides of the (first) volume."""
    dim = [int(side) for side in header["dim"]]
    sides = dim[1 : dim[0] + 1] if 1 <= dim[0] <= 7 else []
    if not sides or min(sides) < 1:
        raise _damaged()
    told = "×".join(map(str, sides))
    if len([side for side in sides[:3] if side > 1]) < 3:
        raise VolumeError(
            f"Expected a volume with three sides, but got {told}, which is one picture; send the "
            "whole CT."
        )
    if any(side > 1 for side in sides[4:]):
        raise VolumeError(
            f"Expected one number for each voxel, but got {told}; export the CT itself."
        )
    warnings: tuple[str, ...] = ()
    if len(sides) > 3 and sides[3] > 1:
        warnings = (f"The file holds {sides[3]} volumes; only the first is read.",)
    return (sides[0], sides[1], sides[2]), warnings


def _affine_of(header: NiftiHeader) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the affine to RAS+ mm by the rules of the standard, and what to tell."""
    scale = _MM_PER_UNIT.get(int(header["xyzt_units"]) & 0x07, 1.0)
    sform = _usable(header.get_sform(coded=True)[0])
    try:
        qform = _usable(header.get_qform(coded=True)[0])
    except (HeaderDataError, ValueError):  # a quaternion that is none
        qform = None
    has_code = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    warnings: list[str] = []
    if sform is not None:
        affine = sform
        if qform is not None and not _agree(sform, qform, header):
            warnings.append(
                "The file states two different orientations (sform and qform); the sform counts."
            )
    elif qform is not None:
        affine = qform
        if int(header["sform_code"]) > 0:
            warnings.append("The file's sform is damaged; its qform is used.")
    elif has_code:
        raise VolumeError(
            "Expected an orientation, but the NIfTI's sform and qform are damaged; convert the "
            "CT from DICOM again."
        )
    else:
        sides = [abs(float(side)) or 1.0 for side in header["pixdim"][1:4]]
        affine = np.diag([*sides, 1.0])
        warnings.append(
            "The file states no orientation (sform and qform codes are 0): left, right, front, "
            "back and head are a guess (first axis to the right, second to the front, third to "
            "the head). Convert the CT from DICOM again to be sure."
        )
    affine = np.asarray(affine, np.float64).copy()
    affine[:3] *= scale
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not all(_SPACING_MM[0] <= side <= _SPACING_MM[1] for side in spacing):
        raise VolumeError(
            f"Expected voxels of {_SPACING_MM[0]} to {_SPACING_MM[1]:.0f} mm, but got "
            f"{' × '.join(f'{side:.4g}' for side in spacing)} mm; the header is damaged or its "
            "unit is wrong."
        )
    return affine, tuple(warnings)


def _usable(affine: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    if affine is None or not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
        return None
    return np.asarray(affine, np.float64)


def _agree(sform: NDArray[np.float64], qform: NDArray[np.float64], header: NiftiHeader) -> bool:
    """Tell whether both put the corners of the volume within 2 voxels of each other."""
    sides = [int(side) - 1 for side in header["dim"][1:4]]
    corners = np.array(np.meshgrid(*[(0, side) for side in sides], [1])).reshape(4, -1)
    apart = np.linalg.norm(((sform - qform) @ corners)[:3], axis=0).max()
    return bool(apart <= 2 * np.linalg.norm(sform[:3, :3], axis=0).max())


def _kind_words(dtype: np.dtype[np.generic]) -> str:
    return {"V": "colours", "c": "complex numbers"}.get(dtype.kind, str(dtype))


def _damaged() -> VolumeError:
    return VolumeError("The NIfTI file is damaged or was cut off while it was sent; send it again.")


# --- voxels --------------------------------------------------------------------------------------


def _bytes(stream: BinaryIO, count: int) -> bytes:
    try:
        return stream.read(count)
    except _BROKEN:
        raise _damaged() from None


def _skip(stream: BinaryIO, count: int) -> None:
    while count > 0:
        block = _bytes(stream, min(count, 1 << 20))
        if not block:
            raise _damaged()
        count -= len(block)


def _read_voxels(stream: BinaryIO, layout: _Layout, watch: Watch) -> NDArray[np.float32]:
    columns, rows, planes = layout.shape
    voxels = np.empty(layout.shape, np.float32, order="F")
    plane_bytes = columns * rows * layout.dtype.itemsize
    step = max(1, _SLAB_BYTES // plane_bytes)
    for start in range(0, planes, step):
        count = min(step, planes - start)
        block = _bytes(stream, count * plane_bytes)
        if len(block) < count * plane_bytes:
            raise _damaged()
        stored = np.frombuffer(block, layout.dtype).reshape(columns, rows, count, order="F")
        target = voxels[:, :, start : start + count]
        with np.errstate(over="ignore", invalid="ignore"):  # tidy_hu counts what is not finite
            target[...] = stored
        if layout.slope != 1:
            target *= np.float32(layout.slope)
        if layout.intercept:
            target += np.float32(layout.intercept)
        watch.on_progress(start + count, planes)
    _bytes(stream, 1)  # at the end of a packed file its checksum is compared
    return voxels
