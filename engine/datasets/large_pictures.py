"""TIFF for large pictures: tiles and smaller levels, so that a part is read without the whole."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from engine.errors import PictureError
from engine.imaging.pictures import Picture

__all__ = ["encode", "first_page", "private_tags"]

_TILE_PX: Final = 512
_SMALLEST_PX: Final = 1024
_PRIVATE: Final = {
    270: "ImageDescription", 271: "Make", 272: "Model", 285: "PageName", 305: "Software",
    306: "DateTime", 315: "Artist", 316: "HostComputer", 33432: "Copyright", 700: "XMP block",
    33723: "IPTC block", 34377: "Photoshop block", 34665: "EXIF block", 34853: "GPS block",
    37510: "UserComment", 42016: "ImageUniqueID",
}  # fmt: skip
_BROKEN: Final = (
    *(OSError, ValueError, IndexError, KeyError, TypeError, RuntimeError, MemoryError),
    tifffile.TiffFileError,
)


def encode(picture: Picture, *, pixel_size_um: float | None = None) -> bytes:
    """Return a picture as a tiled TIFF with levels of a half, a quarter, … as sub-directories.

    Lossless. ``pixel_size_um`` goes into the resolution tags.
    """
    levels = _level_count(picture)
    resolution: Any = None
    if pixel_size_um is not None:
        resolution = (10_000 / pixel_size_um, 10_000 / pixel_size_um)
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=picture.nbytes > 2_000_000_000) as writer:
        level = picture
        for number in range(levels):
            if number:
                half = (max(1, level.shape[1] // 2), max(1, level.shape[0] // 2))
                level = np.asarray(cv2.resize(level, half, interpolation=cv2.INTER_AREA), np.uint8)
            writer.write(
                _tiles(level),
                shape=level.shape,
                dtype=np.uint8,
                tile=(_TILE_PX, _TILE_PX),
                photometric="rgb",
                compression="zlib",
                compressionargs={"level": 4},
                predictor=True,
                subifds=levels - 1 if number == 0 else None,
                subfiletype=1 if number else 0,
                resolution=resolution if number == 0 else None,
                resolutionunit="CENTIMETER" if resolution and number == 0 else None,
                metadata=None,
                software=False,
                maxworkers=1,
            )
    return out.getvalue()


def first_page(data: bytes) -> NDArray[np.generic]:
    """Return the samples of a TIFF's first page.

    Raises
    ------
    PictureError
        When it is damaged.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return np.asarray(file.pages.first.asarray())
    except _BROKEN as problem:
        raise PictureError("The TIFF picture is damaged; export it again.") from problem


def private_tags(data: bytes) -> tuple[str, ...]:
    """Return the names of a TIFF's fields that may tell of people, places, dates and devices."""
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            pages = file.pages
            found = {int(tag.code) for page in pages for tag in getattr(page, "tags", ())}
            more = len(pages) - 1
    except _BROKEN:
        return ()
    names = [f"TIFF {name}" for code, name in _PRIVATE.items() if code in found]
    return (*names, f"TIFF, {more} further pages") if more else tuple(names)


def _level_count(picture: Picture) -> int:
    side, count = max(picture.shape[:2]), 1
    while side > _SMALLEST_PX:
        side, count = side // 2, count + 1
    return count


def _tiles(level: Picture) -> Iterator[NDArray[np.uint8]]:
    for top in range(0, level.shape[0], _TILE_PX):
        for left in range(0, level.shape[1], _TILE_PX):
            yield np.ascontiguousarray(level[top : top + _TILE_PX, left : left + _TILE_PX])
