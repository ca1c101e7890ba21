"""DICOM headers to frames: one record for each picture, wherever it is stored.

A frame is a slice of a classic CT series or of an enhanced multi-frame CT (PS3.3 A.3, A.38).
Headers are de-identified before anything here looks at them. Pixels are another module's matter.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian

from engine.errors import TooLargeError
from engine.imaging.volume_files.deidentification import Deidentifier
from engine.imaging.volume_files.sources import Source

__all__ = ["BROKEN_DICOM", "Frame", "frames_of", "open_dicom", "read_header"]

BROKEN_DICOM = (
    *(
        InvalidDicomError,
        BytesLengthException,
        EOFError,
        OSError,
        ValueError,
        TypeError,
        LookupError,
    ),
    *(ArithmeticError, AttributeError, NotImplementedError, zlib.error, struct.error),
)
"""What pydicom raises for files that are cut off or damaged."""

_MAX_INFLATED = 2_000_000_000
_MAX_FRAMES = 20_000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture. ``file`` counts the files that were sent, ``index`` the frames in that file.

    ``position`` (3,), ``across`` and ``down`` (3,) are ImagePositionPatient and the two halves of
    ImageOrientationPatient, in LPS mm; None where the header has none. ``spacing_mm`` is that
    between rows and between columns. ``slope`` and ``intercept`` lead to HU; None if not stated.
    ``flavour`` is the image type, in capitals. ``moment`` are the numbers that tell phases apart.
    """

    file: int
    index: int
    header: Dataset
    syntax: str
    series: str
    modality: str
    rows: int
    columns: int
    samples: int
    bits: int
    position: NDArray[np.float64] | None
    across: NDArray[np.float64] | None
    down: NDArray[np.float64] | None
    spacing_mm: tuple[float, float] | None
    slope: float | None
    intercept: float | None
    unit: str
    flavour: tuple[str, ...]
    moment: tuple[int, int, str]
    number: int
    uid: str

    @property
    def normal(self) -> NDArray[np.float64] | None:
        """Direction of growing slice positions: across × down."""
        if self.across is None or self.down is None:
            return None
        return np.cross(self.across, self.down)


def read_header(source: Source) -> tuple[Dataset, str] | None:
    """Return a header without pixels, as stored, and its transfer syntax; None when damaged."""
    try:
        with open_dicom(source) as stream:
            header = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            return header, syntax_of(header)
    except BROKEN_DICOM:
        return None


def open_dicom(source: Source) -> BinaryIO:
    """Open a DICOM file so that pydicom can move in it, and no deflated one grows without end."""
    stream = source.open()
    if source.path is None or _is_deflated(stream):
        stream.close()
        data = source.read()
    else:
        return stream
    if _is_deflated(io.BytesIO(data)):
        _check_inflated(data)
    return io.BytesIO(data)


def syntax_of(header: Dataset) -> str:
    """Return the transfer syntax; implicit little endian is DICOM's default (PS3.5 10.1)."""
    meta = getattr(header, "file_meta", None)
    stated = str(meta.get("TransferSyntaxUID", "")) if meta is not None else ""
    if stated:
        return stated
    is_explicit = not header.original_encoding[0]
    return "1.2.840.10008.1.2.1" if is_explicit else "1.2.840.10008.1.2"


def frames_of(
    header: Dataset, syntax: str, *, file: int, deidentifier: Deidentifier
) -> list[Frame] | None:
    """Return the frames that a header describes, [] without a picture, None when damaged."""
    try:
        # Values are converted late, so that damage may show only here.
        return list(_frames(header, syntax, file=file, deidentifier=deidentifier))
    except BROKEN_DICOM:
        return None


def _frames(
    header: Dataset, syntax: str, *, file: int, deidentifier: Deidentifier
) -> Iterator[Frame]:
    cleaned = deidentifier.clean(header)
    count = _whole(cleaned, "NumberOfFrames") or 1
    if not _whole(cleaned, "Rows") or not _whole(cleaned, "Columns"):
        return
    shared = _first(cleaned, "SharedFunctionalGroupsSequence")
    each = list(cleaned.get("PerFrameFunctionalGroupsSequence") or [])
    for index in range(min(count, _MAX_FRAMES)):
        own = each[index] if index < len(each) else Dataset()
        yield _frame(cleaned, syntax, own, shared, file=file, index=index, count=count)


# --- one frame -----------------------------------------------------------------------------------


def _frame(
    header: Dataset,
    syntax: str,
    own: Dataset,
    shared: Dataset,
    *,
    file: int,
    index: int,
    count: int,
) -> Frame:
    def group(sequence: str) -> Dataset:
        """Return a functional group: the frame's own, else the shared one, else the header."""
        return _first(own, sequence) or _first(shared, sequence) or header

    # Without functional groups, a position in the header is that of one frame only.
    plane = group("PlanePositionSequence")
    position = None if plane is header and count > 1 else _numbers(plane, "ImagePositionPatient", 3)
    turn = _numbers(group("PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    spacing = _numbers(group("PixelMeasuresSequence"), "PixelSpacing", 2)
    scale = group("PixelValueTransformationSequence")
    content = _first(own, "FrameContentSequence")
    kind = _first(own, "CTImageFrameTypeSequence") or _first(shared, "CTImageFrameTypeSequence")
    flavour = kind.get("FrameType") or header.get("ImageType") or ()
    return Frame(
        file=file,
        index=index,
        header=header,
        syntax=syntax,
        series=_series_of(header),
        modality=str(header.get("Modality") or "").upper(),
        rows=_whole(header, "Rows") or 0,
        columns=_whole(header, "Columns") or 0,
        samples=_whole(header, "SamplesPerPixel") or 1,
        bits=_whole(header, "BitsStored") or 16,
        position=position,
        across=None if turn is None else turn[:3],
        down=None if turn is None else turn[3:],
        spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        slope=_number(scale, "RescaleSlope"),
        intercept=_number(scale, "RescaleIntercept"),
        unit=str(scale.get("RescaleType") or "").strip().upper(),
        flavour=tuple(str(part).upper() for part in _listed(flavour)),
        moment=(
            _whole(content, "TemporalPositionIndex")
            or _whole(header, "TemporalPositionIdentifier")
            or 0,
            _whole(content, "FrameAcquisitionNumber") or _whole(header, "AcquisitionNumber") or 0,
            "/".join(str(part) for part in _listed(header.get("ConvolutionKernel"))),
        ),
        number=_whole(content, "InStackPositionNumber")
        or (_whole(header, "InstanceNumber") or 0) + index,
        uid=f"{header.get('SOPInstanceUID') or file}/{index}",
    )


def _series_of(header: Dataset) -> str:
    """Return what tells series apart; files that lost their identifier go by study and number."""
    uid = str(header.get("SeriesInstanceUID") or "")
    if uid:
        return uid
    return f"{header.get('StudyInstanceUID') or ''}#{_whole(header, 'SeriesNumber') or ''}"


def _first(dataset: Dataset, sequence: str) -> Dataset:
    items = dataset.get(sequence)
    return items[0] if items else Dataset()


def _listed(value: object) -> list[object]:
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)


def _numbers(dataset: Dataset, keyword: str, count: int) -> NDArray[np.float64] | None:
    """Return ``count`` finite numbers, or None."""
    try:
        values = np.asarray([float(part) for part in _listed(dataset.get(keyword))])  # type: ignore[arg-type]  # DS, IS
    except (TypeError, ValueError):
        return None
    return values if len(values) == count and np.isfinite(values).all() else None


def _number(dataset: Dataset, keyword: str) -> float | None:
    values = _numbers(dataset, keyword, 1)
    return None if values is None else float(values[0])


def _whole(dataset: Dataset, keyword: str) -> int | None:
    value = _number(dataset, keyword)
    return None if value is None else int(value)


# --- deflated files ------------------------------------------------------------------------------


def _is_deflated(stream: BinaryIO) -> bool:
    """Tell whether the file's meta header names the deflated syntax; the stream is rewound."""
    start = stream.read(2048)
    stream.seek(0)
    at = start.find(b"\x02\x00\x10\x00UI")
    return at >= 0 and start[at + 8 :].startswith(DeflatedExplicitVRLittleEndian.encode())


def _check_inflated(data: bytes) -> None:
    """Refuse a deflated file (PS3.5 A.5) that would inflate without a sensible end."""
    length = int.from_bytes(data[140:144], "little")  # (0002,0000): bytes of the meta header
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    rest = data[144 + length :]
    size = 0
    while rest and not inflate.eof:
        size += len(inflate.decompress(rest, 16_000_000))
        if size > min(_MAX_INFLATED, 100_000_000 + 100 * len(data)):
            raise TooLargeError(
                "A deflated DICOM file unpacks to far more than a CT holds; export it uncompressed."
            )
        rest = inflate.unconsumed_tail
