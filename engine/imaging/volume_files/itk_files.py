"""NRRD and MHA files to volumes, through SimpleITK.

Only files that hold their voxels themselves: a header that points to another file could point
anywhere on this machine. ITK's world is LPS; ours is RAS. Free text in headers is dropped.
"""

from __future__ import annotations

import re
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import SimpleITK
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
from engine.imaging.volume_files.sources import UNREADABLE, Source
from engine.imaging.volumes import Volume

__all__ = ["read_itk"]

sitk: Any = SimpleITK  # it has no types

_IO = {"nrrd": "NrrdImageIO", "mha": "MetaImageIO"}
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_HEADER_BYTES = 65_536
_MHA_SIDED = (
    *("dimsize", "offset", "position", "origin", "transformmatrix", "rotation", "orientation"),
    *("elementspacing", "elementsize", "centerofrotation"),
)
_NRRD_FIELDS = (
    *("type", "dimension", "space", "space dimension", "sizes", "space directions", "kinds"),
    *("endian", "encoding", "space origin", "spacings", "space units", "measurement frame"),
    *("thicknesses", "axis mins", "axis maxs", "centers", "centerings", "labels", "units"),
    *("block size", "blocksize", "min", "max", "old min", "old max", "oldmin", "oldmax"),
    *("axismins", "axismaxs", "line skip", "lineskip", "byte skip", "byteskip", "number"),
)


def read_itk(
    source: Source,
    kind: Literal["nrrd", "mha"],
    *,
    limits: VolumeLimits,
    watch: Watch,
    scratch: Path | None,
) -> ReadVolume:
    """Read one NRRD or MHA file; what is not on a disk yet goes to a folder in ``scratch``.

    Raises
    ------
    VolumeError
        When it is damaged, points to another file, is not three-dimensional, or not in HU.
    TooLargeError
        When the header states more than the limit of voxels.
    """
    fields = _header_fields(source.start(_HEADER_BYTES), kind)
    _refuse_pointers(fields, kind)
    if kind == "mha":
        _check_mha(source, fields)
    if source.path is not None:
        image = _read_image(source.path, kind, limits=limits, watch=watch)
    else:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            path = Path(folder) / f"volume.{kind}"
            path.write_bytes(source.read())
            image = _read_image(path, kind, limits=limits, watch=watch)
    view = sitk.GetArrayViewFromImage(image)  # (K, J, I)
    voxels = np.array(view, np.float32).T  # -> (I, J, K)
    watch.on_progress(voxels.shape[2], voxels.shape[2])
    volume = Volume(voxels=voxels, affine=_affine_of(image))
    warnings = tidy_hu(voxels, is_declared=False)
    if not _has_orientation(fields, kind):
        warnings += (
            "The file states no orientation: left, right, front, back and head are a guess. "
            "Convert the CT from DICOM again to be sure.",
        )
    if volume.is_sheared:
        volume = volume.straightened()
        warnings += ("The axes were not at right angles; the volume was resampled.",)
    return ReadVolume(
        volume=volume,
        kind=kind,
        series=_series(kind, image.GetSize()),
        others=(),
        frame=f"array indices (i, j, k) of the {kind.upper()} file, from 0",
        removed=_free_text(fields, kind),
        warnings=warnings,
    )


def _header_fields(start: bytes, kind: str) -> dict[str, str]:
    """Return the header's lines as a mapping, names in lower case."""
    text = start.decode("latin-1")
    if kind == "nrrd":
        text = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
        rows = re.findall(r"^([^#:\r\n][^:\r\n]*):=?[ \t]*([^\r\n]*)", text, re.MULTILINE)
        return {name.strip().lower(): value.strip() for name, value in rows}
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        fields[name.strip().lower()] = value.strip()
        if name.strip().lower() == "elementdatafile":
            break
    return fields


def _refuse_pointers(fields: dict[str, str], kind: str) -> None:
    is_apart = (
        "data file" in fields or "datafile" in fields
        if kind == "nrrd"
        else fields.get("elementdatafile", "").upper() != "LOCAL"
    )
    if is_apart:
        raise VolumeError(
            f"Expected a file that holds its voxels, but this {kind.upper()} header points to "
            "another file; save it as one .nrrd or .mha file."
        )


_MHA_BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "FLOAT": 4}
_MHA_BYTES |= {"LONG": 4, "ULONG": 4, "LONG_LONG": 8, "ULONG_LONG": 8, "DOUBLE": 8}


def _check_mha(source: Source, fields: dict[str, str]) -> None:
    """Refuse a damaged MHA before ITK, which would print about it to the terminal."""
    try:
        sides = [int(side) for side in fields["dimsize"].split()]
        width = _MHA_BYTES[fields["elementtype"].removeprefix("MET_")]
        names = list(fields)
        is_ordered = names.index("ndims") < min(
            names.index(name) for name in names if name in _MHA_SIDED
        )
        is_sound = is_ordered and int(fields["ndims"]) == len(sides) and min(sides) > 0
    except (KeyError, ValueError):
        is_sound = False
    if not is_sound:
        raise _damaged("mha")
    channels = fields.get("elementnumberofchannels", "1")
    if len(sides) != 3 or channels != "1":
        raise _no_volume(tuple(sides), channels)
    need = width * sides[0] * sides[1] * sides[2]
    if fields.get("compresseddata", "").lower() == "true":
        _check_packed(source, need)
    elif source.size - _voxels_start(source) < need:
        raise _damaged("mha")


def _voxels_start(source: Source) -> int:
    """Return where the header ends: behind the line that says LOCAL."""
    found = re.search(rb"(?im)^\s*ElementDataFile[^\n]*\n", source.start(_HEADER_BYTES))
    if found is None:
        raise _damaged("mha")
    return found.end()


def _check_packed(source: Source, need: int) -> None:
    """Unpack once, without keeping anything, to see whether all voxels are there."""
    got = 0
    unpack = zlib.decompressobj()
    try:
        start = _voxels_start(source)
        with source.open() as stream:
            stream.read(start)
            while got <= need and not unpack.eof and (block := stream.read(1 << 16)):
                while block and got <= need:
                    got += len(unpack.decompress(block, 1 << 22))
                    block = unpack.unconsumed_tail
    except (zlib.error, *UNREADABLE):
        raise _damaged("mha") from None
    if got != need or not unpack.eof:
        raise _damaged("mha")


def _read_image(
    path: Path, kind: Literal["nrrd", "mha"], *, limits: VolumeLimits, watch: Watch
) -> Any:  # noqa: ANN401 – SimpleITK has no types
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # ITK prints header text to stderr
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_IO[kind])
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:  # quotes the header
        raise _damaged(kind) from None
    size = tuple(int(side) for side in reader.GetSize())
    if len(size) != 3 or min(size) < 2 or reader.GetNumberOfComponents() != 1:
        raise _no_volume(size, str(reader.GetNumberOfComponents()))
    shape = (size[0], size[1], size[2])
    limits.check_voxels(shape)
    stored = size[0] * size[1] * size[2] * _itemsize(reader.GetPixelID())
    watch.before_reading(
        ReadForecast.of(
            shape,
            more_bytes=2 * stored,
            affine=np.diag([*reader.GetSpacing(), 1.0]),
            kind=kind,
            series=_series(kind, shape),
        )
    )
    try:
        return reader.Execute()
    except RuntimeError:  # quotes the header
        raise _damaged(kind) from None


def _itemsize(pixel_id: int) -> int:
    wide = (sitk.sitkFloat64, sitk.sitkInt64, sitk.sitkUInt64)
    return 8 if pixel_id in wide else 4


def _affine_of(image: Any) -> NDArray[np.float64]:  # noqa: ANN401 – SimpleITK has no types
    affine = np.eye(4)
    direction = np.asarray(image.GetDirection(), np.float64).reshape(3, 3)
    affine[:3, :3] = direction * np.asarray(image.GetSpacing(), np.float64)
    affine[:3, 3] = image.GetOrigin()
    ras: NDArray[np.float64] = _LPS_TO_RAS @ affine
    return ras


def _series(kind: str, size: Sequence[int]) -> SeriesNote:
    return SeriesNote(
        description=f"{kind.upper()}, {'×'.join(map(str, size))} voxels",
        slices=int(size[2]),
        reason="the only volume",
        is_usable=True,
    )


def _has_orientation(fields: dict[str, str], kind: str) -> bool:
    if kind == "nrrd":
        return "space" in fields and "space directions" in fields
    return any(name in fields for name in ("transformmatrix", "rotation", "orientation"))


def _free_text(fields: dict[str, str], kind: str) -> tuple[str, ...]:
    """Tell that free text was dropped; its names are free, too, and are counted only."""
    if kind == "nrrd":
        others = [name for name in fields if name not in _NRRD_FIELDS]
        return (f"NRRD header: free fields ({len(others)})",) if others else ()
    named = ("comment", "name", "id", "acquisitiondate")
    return tuple(f"MHA header: {name}" for name in named if name in fields)


def _no_volume(size: tuple[int, ...], numbers: str) -> VolumeError:
    numbers = numbers if numbers.isdigit() else "several"
    return VolumeError(
        f"Expected a volume with three sides and one number for each voxel, but got "
        f"{'×'.join(map(str, size))} with {numbers} numbers each; send one CT."
    )


def _damaged(kind: str) -> VolumeError:
    return VolumeError(
        f"The {kind.upper()} file is damaged or was cut off while it was sent; send it again."
    )
