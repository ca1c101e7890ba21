"""What a picture file tells besides its pixels about whom and where, listed and left behind.

The picture is written anew from its upright pixels, so that nothing of the old file remains but
them. What is *in* the pixels, such as a name burnt into a corner, nobody here can see.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from engine.errors import PictureError
from engine.imaging import pictures

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Stripped", "strip_identity"]

_LISTED: Final = 40
_HARMLESS: Final = frozenset(
    {
        *(
            "jfif",
            "jfif_version",
            "jfif_unit",
            "jfif_density",
            "dpi",
            "resolution",
            "gamma",
            "srgb",
            "icc_profile",
        ),
        *("transparency", "progressive", "progression", "adobe", "adobe_transform", "interlace"),
        *("compression", "chromaticity", "background", "duration", "loop", "version", "extension"),
        *("timestamp", "aspect", "default_image"),
    }
)
"""What Pillow tells of a file that says nothing about a person."""
_PLAIN_TAGS: Final = frozenset(
    {
        *("Orientation", "ImageWidth", "ImageLength", "BitsPerSample", "Compression"),
        *("PhotometricInterpretation", "SamplesPerPixel", "RowsPerStrip", "StripByteCounts"),
        *("StripOffsets", "PlanarConfiguration", "XResolution", "YResolution", "ResolutionUnit"),
        *("TileWidth", "TileLength", "TileOffsets", "TileByteCounts", "SampleFormat", "ColorMap"),
        *("ExtraSamples", "Predictor", "FillOrder", "NewSubfileType", "SubfileType"),
        *("YCbCrPositioning", "YCbCrSubSampling", "ReferenceBlackWhite", "JPEGTables"),
        *("InterColorProfile", "ExifOffset", "GPSInfo", "SubIFDs", "ExifInteroperabilityOffset"),
    }
)
"""How the pixels lie in the file; pointers to other lists, which are read themselves."""
# DICOM PS3.15 Annex E, Table E.1-1: what is not there to make the pixels readable, by keyword.
_DICOM_WORDS: Final = (
    *("Patient", "Person", "Physician", "Operator", "Institution", "Station", "Address"),
    *("Telephone", "Accession", "StudyID", "Date", "Time", "InstanceUID", "Comments"),
    *("Description", "Reason", "Admi", "Serial", "Ethnic", "Occupation", "Requesting"),
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stripped:
    """A picture without anything but its pixels, as PNG.

    ``removed`` are the names of the fields that were left behind, never their values.
    """

    data: bytes
    media_type: str
    picture: pictures.Picture
    removed: tuple[str, ...]


def strip_identity(data: bytes, *, max_pixels: int = pictures.MAX_PIXELS) -> Stripped:
    """Return the picture of a PNG, JPEG, WebP, TIFF, BMP, GIF or DICOM file, and what it told.

    A DICOM file must hold one frame; grey values are spread over the range that occurs.

    Raises
    ------
    PictureError, TooLargeError
        As :func:`engine.imaging.pictures.decode`.
    """
    if data[128:132] == b"DICM":
        picture, removed = _of_dicom(data, max_pixels)
    else:
        picture = pictures.decode(data, max_pixels=max_pixels)
        removed = _told_by(data)
    names = tuple(dict.fromkeys(removed))[:_LISTED]
    return Stripped(
        data=pictures.encode_png(picture), media_type="image/png", picture=picture, removed=names
    )


def _told_by(data: bytes) -> list[str]:
    """Return what a picture file tells besides pixels; it was decoded, so it can be opened."""
    from PIL import ExifTags, Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            exif = image.getexif()
            found = [ExifTags.TAGS.get(tag, f"tag {tag}") for tag in exif]
            for ifd, table in (
                (ExifTags.IFD.Exif, ExifTags.TAGS),
                (ExifTags.IFD.GPSInfo, ExifTags.GPSTAGS),
            ):
                found += [table.get(tag, f"tag {tag}") for tag in exif.get_ifd(ifd)]
            told = [str(name) for name in image.info if isinstance(name, str)]
    except (OSError, ValueError, SyntaxError, KeyError, Warning):
        return ["metadata that cannot be read"]
    found = [name for name in found if name not in _PLAIN_TAGS]
    blocks = [name for name in told if name.lower() not in _HARMLESS]
    return found + [_NAMES.get(name, name[:60]) for name in blocks if name != "exif"]


_NAMES: Final = {"photoshop": "IPTC", "xmp": "XMP", "comment": "comment", "parsed_exif": "EXIF"}


def _of_dicom(data: bytes, max_pixels: int) -> tuple[pictures.Picture, list[str]]:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError
    from pydicom.pixels.utils import pixel_array

    try:
        dataset = dcmread(io.BytesIO(data))
        rows, columns = int(dataset.get("Rows", 0)), int(dataset.get("Columns", 0))
        frames = int(dataset.get("NumberOfFrames", 1) or 1)
        if frames != 1 or not rows * columns:
            raise PictureError(
                f"Expected a DICOM file with one picture, but this one has {frames} frames of "
                f"{columns}×{rows} pixels; export the frame that is meant as PNG."
            )
        pictures.from_array(np.broadcast_to(np.uint8(0), (rows, columns)), max_pixels=max_pixels)
        samples = pixel_array(dataset)
    except (
        InvalidDicomError,
        AttributeError,
        ValueError,
        RuntimeError,
        NotImplementedError,
    ) as problem:
        raise PictureError(
            "The DICOM file is damaged or packed in a way that we do not read; export its picture "
            "as PNG."
        ) from problem
    removed = [
        str(element.keyword or element.tag)
        for element in dataset
        if element.tag.is_private or _tells(element)
    ]
    return _as_picture(samples, str(dataset.get("PhotometricInterpretation", ""))), removed


def _tells(element: Any) -> bool:  # noqa: ANN401 – pydicom's element
    return any(word in str(element.keyword) for word in _DICOM_WORDS) and _has_value(element.value)


def _has_value(value: Iterable[object] | object) -> bool:
    return value not in (None, "", b"")


def _as_picture(samples: np.ndarray[Any, Any], photometric: str) -> pictures.Picture:
    """Return ``(H, W)`` or ``(H, W, 3)`` of any whole numbers as a picture."""
    if samples.ndim == 3 and samples.dtype == np.uint8:
        return pictures.from_array(samples)
    low, high = float(samples.min()), float(samples.max())
    spread = (samples.astype(np.float32) - low) / max(high - low, 1.0) * 255.0
    level = spread.round().astype(np.uint8)
    return pictures.from_array(255 - level if photometric == "MONOCHROME1" else level)
