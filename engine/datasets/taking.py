"""One picture file of an upload, made into what Lightbox keeps: clean, checked, never worse.

PNG and JPEG keep their packed pixels; other forms become PNG without loss, 16-bit grey stays 16
bits; very large pictures become a tiled TIFF with smaller levels, of which a part can be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.datasets import identity, large_pictures
from engine.datasets.pixel_sizes import pixel_size_um
from engine.errors import PictureError
from engine.imaging import pictures
from engine.imaging.headers import Header, damaged, read_header
from engine.imaging.pictures import Picture

__all__ = ["MAX_PIXELS", "Taken", "take_picture", "thumbnail"]

MAX_PIXELS: Final = 150_000_000
"""The largest picture that is taken, in pixels: 12,247 × 12,247."""

_LARGE_PIXELS: Final = 24_000_000
_THUMBNAIL_PX: Final = 320
_OUTLINE: Final = (255, 255, 255)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taken:
    """A picture ready to be stored: ``data`` of ``media_type``, its size upright in pixels.

    ``picture`` is ``(H, W, 3) uint8`` for looking at. ``removed`` are names of what was taken out
    of the file; ``repairs`` and ``notes`` are sentences, the latter about what is no fault.
    """

    data: bytes
    media_type: str
    width_px: int
    height_px: int
    picture: Picture
    channels: int = 3
    bits: int = 8
    pixel_size_um: float | None = None
    removed: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def take_picture(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Taken:
    """Read one picture and return what is to be stored of it.

    Raises
    ------
    PictureError
        When the bytes are empty, damaged or no picture.
    TooLargeError
        When it has more than ``max_pixels``; nothing is decoded then.
    """
    header = read_header(data)
    if header.pixels <= max_pixels and _is_deep_grey(header):
        return _deep(data, header)
    picture = pictures.decode(data, max_pixels=max_pixels)
    size = pixel_size_um(data) if header.kind == "tiff" else None
    height, width = picture.shape[:2]
    if height * width > _LARGE_PIXELS:
        return Taken(
            data=large_pictures.encode(picture, pixel_size_um=size),
            media_type="image/tiff",
            width_px=width,
            height_px=height,
            picture=picture,
            pixel_size_um=size,
            removed=_removed(data, header),
            notes=("Kept as a tiled TIFF, since it is large.",),
        )
    if header.kind in ("png", "jpeg"):
        clean, removed = identity.strip(data)
        return Taken(
            data=clean,
            media_type=f"image/{header.kind}",
            width_px=width,
            height_px=height,
            picture=picture,
            channels=header.channels,
            removed=removed,
        )
    return Taken(
        data=pictures.encode_png(picture),
        media_type="image/png",
        width_px=width,
        height_px=height,
        picture=picture,
        pixel_size_um=size,
        removed=_removed(data, header),
        notes=(f"{header.kind.upper()} became PNG without loss.",),
    )


def thumbnail(picture: Picture, mask: NDArray[np.uint8] | None = None) -> bytes:
    """Return a JPEG of at most 320 pixels a side, with the outline of what the mask marks."""
    height, width = picture.shape[:2]
    scale = min(1.0, _THUMBNAIL_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    if mask is not None:
        marks = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
        edge = np.zeros(marks.shape, bool)
        edge[:, 1:] |= marks[:, 1:] != marks[:, :-1]
        edge[1:] |= marks[1:] != marks[:-1]
        dark = cv2.dilate(edge.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        small[dark] = (small[dark] * 0.4).astype(np.uint8)
        small[edge] = _OUTLINE
    return pictures.encode_jpeg(np.asarray(small, np.uint8), quality=85)


def _is_deep_grey(header: Header) -> bool:
    if header.is_float or header.channels != 1 or header.has_palette:
        return False
    return header.kind in ("png", "tiff") and 8 < header.bits <= 16


def _deep(data: bytes, header: Header) -> Taken:
    """Take 16-bit grey; levels of fewer bits are moved up, so that white is white everywhere."""
    samples = _deep_samples(data, header)
    top = int(samples.max())
    shift = 16 - max(8, top.bit_length())
    if shift:
        samples = np.asarray(samples << shift, np.uint16)
    _, packed = cv2.imencode(".png", samples)
    notes = [] if header.kind == "png" else ["TIFF became a 16-bit PNG without loss."]
    if shift:
        notes.append(f"Its {16 - shift} bits were moved up by {shift}, so that white is white.")
    return Taken(
        data=bytes(packed),
        media_type="image/png",
        width_px=samples.shape[1],
        height_px=samples.shape[0],
        picture=pictures.from_array(samples, max_pixels=MAX_PIXELS),
        channels=1,
        bits=16,
        pixel_size_um=pixel_size_um(data) if header.kind == "tiff" else None,
        removed=_removed(data, header),
        notes=tuple(notes),
    )


def _deep_samples(data: bytes, header: Header) -> NDArray[np.uint16]:
    if header.kind == "png":
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if decoded is None:
            raise damaged("png", "its data does not fill it")
        samples: NDArray[np.generic] = decoded
    else:
        samples = large_pictures.first_page(data)
    if samples.ndim != 2 or samples.dtype != np.uint16:
        raise PictureError("Expected one 16-bit grey level per pixel; export the picture again.")
    levels = np.ascontiguousarray(samples, np.uint16)
    return np.asarray(header.white - levels, np.uint16) if header.is_white_zero else levels


def _removed(data: bytes, header: Header) -> tuple[str, ...]:
    """Return what a file that is written anew tells beside its pixels, by name."""
    if header.kind in ("png", "jpeg"):
        return identity.strip(data)[1]
    if header.kind == "tiff":
        return large_pictures.private_tags(data)
    return ()
