"""Pixels of planned slices, in Hounsfield units, on the plan's grid.

Reads one slice at a time. Which compressed kinds can be decoded depends on what is installed;
a missing decoder is named with the line that installs it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

from engine.errors import MissingBackendError, VolumeError
from engine.imaging import regridding
from engine.imaging.volume_files.codestreams import stated_size
from engine.imaging.volume_files.decoding import decode_in_order
from engine.imaging.volume_files.dicom_geometry import SlicePlan
from engine.imaging.volume_files.dicom_headers import BROKEN_DICOM, Frame, open_dicom
from engine.imaging.volume_files.results import Watch
from engine.imaging.volume_files.sources import Source
from engine.imaging.volumes import AIR_HU

__all__ = ["build_voxels", "check_decoder"]

_INSTALL = 'pip install python-gdcm "pylibjpeg[all]"'
_NATIVE = frozenset([*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes])
_NATIVE |= {UID(f"1.2.840.10008.1.2.4.20{last}") for last in (1, 2, 3)}  # HTJ2K
_NEEDED = [
    *("TransferSyntaxUID", "SOPClassUID", "SamplesPerPixel", "PhotometricInterpretation"),
    *("PlanarConfiguration", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored"),
    *("HighBit", "PixelRepresentation", "PixelData", "FloatPixelData", "DoubleFloatPixelData"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
]


def check_decoder(syntax: str) -> None:
    """Make sure that pixels in this transfer syntax can be read.

    Raises
    ------
    MissingBackendError
        When a decoder exists but is not installed.
    VolumeError
        When the transfer syntax is no picture, or unknown.
    """
    uid = UID(syntax)
    try:
        if not uid.is_compressed:  # also raises for a syntax that does not exist
            return
        decoder = get_decoder(uid)
    except (ValueError, NotImplementedError) as problem:
        raise VolumeError(
            f"Expected pixels in a kind that DICOM defines for pictures, but got transfer syntax "
            f"{_words(uid)}; export the CT uncompressed."
        ) from problem
    if not decoder.is_available:
        raise MissingBackendError(
            f"The CT is compressed as {_words(uid)}, for which no decoder is installed; install "
            f"one with '{_INSTALL}', or export the CT uncompressed."
        )


def build_voxels(plan: SlicePlan, sources: Sequence[Source], watch: Watch) -> NDArray[np.float32]:
    """Return the volume ``(I, J, K) float32`` in HU that a plan describes.

    Raises
    ------
    VolumeError
        When the pixels of a slice are damaged.
    """
    voxels = np.empty(plan.shape, np.float32, order="F")
    before: NDArray[np.float32] | None = None
    done = 0
    with closing(_planes(plan, sources)) as planes:
        for at, plane in enumerate(planes):
            depth = float(plan.depths[at])
            # All planes up to this slice lie between it and the one before.
            while done < plan.shape[2] and done <= depth + 1e-6:
                if before is None or abs(done - depth) < 1e-6:
                    voxels[:, :, done] = plane.T  # (row j, column i) -> (i, j)
                else:
                    share = np.float32((depth - done) / (depth - float(plan.depths[at - 1])))
                    voxels[:, :, done] = (before * share + plane * (1 - share)).T
                done += 1
            before = plane
            watch.on_progress(at + 1, len(plan.frames))
    return voxels


def _planes(plan: SlicePlan, sources: Sequence[Source]) -> Generator[NDArray[np.float32]]:
    """Yield slices ``(J, I) float32`` in HU, moved to their place on the grid."""
    shape = (plan.shape[1], plan.shape[0])
    asked: deque[Dataset] = deque()
    requests = _requests(plan, sources, asked)
    if any(UID(frame.syntax) in _NATIVE for frame in plan.frames):
        results = decode_in_order(requests, count=len(plan.frames))
    else:
        results = (_decoded(dataset, index) for dataset, index in requests)
    with closing(results):
        for at, (frame, stored) in enumerate(zip(plan.frames, results, strict=True)):
            if stored is None or stored.shape != (frame.rows, frame.columns):
                raise _damaged(at)
            plane = _in_hu(stored, frame, asked.popleft())
            if plan.is_shifted:
                i, j = plan.shifts[at]
                plane = regridding.shift_plane(
                    plane, start=(-float(j), -float(i)), shape=shape, outside=AIR_HU
                )
            yield plane


def _requests(
    plan: SlicePlan, sources: Sequence[Source], asked: deque[Dataset]
) -> Iterator[tuple[Dataset, int]]:
    """Yield file and index of each frame; ``asked`` gets the files in the same order."""
    opened: tuple[int, Dataset] | None = None
    for at, frame in enumerate(plan.frames):
        if opened is None or opened[0] != frame.file:
            opened = frame.file, _opened(sources[frame.file], at)
        dataset = opened[1]
        try:
            index = frame.index if int(dataset.get("NumberOfFrames") or 1) > 1 else 0
            _check_stream(dataset, frame, index, at)
        except BROKEN_DICOM:
            raise _damaged(at) from None
        asked.append(dataset)
        yield dataset, index


def _opened(source: Source, at: int) -> Dataset:
    try:
        with open_dicom(source) as stream:
            dataset = pydicom.dcmread(
                stream, force=True, specific_tags=[*_NEEDED, "PixelPaddingValue"]
            )
            if "TransferSyntaxUID" not in dataset.file_meta:
                is_implicit = dataset.original_encoding[0]
                dataset.file_meta.TransferSyntaxUID = UID(
                    "1.2.840.10008.1.2" if is_implicit else "1.2.840.10008.1.2.1"
                )
            return dataset
    except BROKEN_DICOM:
        raise _damaged(at) from None


def _decoded(dataset: Dataset, index: int) -> NDArray[np.generic] | None:
    try:
        return pixel_array(dataset, index=index, raw=True)
    except (*BROKEN_DICOM, RuntimeError):
        return None


def _check_stream(dataset: Dataset, frame: Frame, index: int, at: int) -> None:
    """Refuse a compressed frame of another size than the header's before it is decoded."""
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    stream = get_frame(
        dataset.PixelData, index, number_of_frames=int(dataset.get("NumberOfFrames") or 1)
    )
    size = stated_size(stream)
    if size is not None and size != (frame.rows, frame.columns):
        raise _damaged(at)


def _in_hu(stored: NDArray[np.generic], frame: Frame, dataset: Dataset) -> NDArray[np.float32]:
    slope, intercept = np.float32(frame.slope or 1.0), np.float32(frame.intercept or 0.0)
    plane = stored.astype(np.float32)
    plane *= slope
    plane += intercept
    padding = _padding(dataset)
    # A padding of 0 HU would make holes in water: only one below air can mean "not scanned".
    if padding is not None:
        value = _as_stored(padding, stored.dtype)
        if value * slope + intercept < AIR_HU:
            plane[stored == value] = AIR_HU
    return plane


def _padding(dataset: Dataset) -> int | None:
    try:
        return int(dataset.get("PixelPaddingValue"))
    except BROKEN_DICOM:
        return None


def _as_stored(padding: int, dtype: np.dtype[np.generic]) -> int:
    """Return the padding in the sign of the pixels; headers often give it in the other."""
    bits = 8 * dtype.itemsize
    if dtype.kind == "i" and padding >= 1 << (bits - 1):
        return padding - (1 << bits)
    if dtype.kind == "u" and padding < 0:
        return padding + (1 << bits)
    return padding


def _damaged(at: int) -> VolumeError:
    return VolumeError(
        f"The pixels of slice {at + 1} are damaged or cut off; send the series again."
    )


def _words(uid: UID) -> str:
    name = uid.name
    return name if name != str(uid) else "that is not in the standard"
