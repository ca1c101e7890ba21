"""Mask files as they come, to one number per pixel: nothing is interpreted here.

A number is a grey value, a palette's index, or a colour as red × 65536 + green × 256 + blue.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin, TiffImagePlugin

from engine.errors import PictureError, TooLargeError
from engine.imaging.headers import damaged, read_header
from engine.imaging.pictures import decode

__all__ = ["RawMask", "label_key", "label_of", "read_mask"]

_LARGEST: Final = 2**31 - 1
_BROKEN: Final = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawMask:
    """Labels ``(H, W) int32`` as stored, and what was done to get there.

    ``palette`` has the colour of each index where the file has one. ``is_lossy`` is true for JPEG
    and WebP, whose numbers are near what was meant.
    """

    labels: NDArray[np.int32]
    is_colour: bool = False
    is_lossy: bool = False
    palette: Mapping[int, int] = field(default_factory=dict, hash=False)
    repairs: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.labels.shape
        return height, width


def label_key(label: int, *, is_colour: bool) -> str:
    """Return a label as a mapping names it: ``"255"``, or ``"#ff0000"`` for a colour."""
    return f"#{label:06x}" if is_colour else str(label)


def label_of(key: str) -> int | None:
    """Return the number behind a mapping's key, ``None`` for one that is no label.

    >>> label_of("#ff0000"), label_of("128"), label_of("*")
    (16711680, 128, None)
    """
    try:
        return int(key[1:], 16) if key.startswith("#") else int(key)
    except ValueError:
        return None


def read_mask(data: bytes, *, max_pixels: int) -> RawMask:
    """Read the labels of a PNG, TIFF, BMP, GIF, JPEG or WebP.

    Raises
    ------
    PictureError
        When the bytes are no such file, or its samples are not labels.
    TooLargeError
        For more than ``max_pixels``; nothing is decoded then.
    """
    header = read_header(data)
    if header.pixels > max_pixels:
        raise TooLargeError(
            f"The mask has {header.pixels / 1e6:.1f} megapixels, but at most "
            f"{max_pixels / 1e6:.1f} are accepted; cut it to tiles."
        )
    is_lossy = header.kind in ("jpeg", "webp")
    if header.kind in ("png", "tiff") and header.has_palette:
        return _with_palette(data, header.kind)
    if header.kind == "png":
        samples = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_ANYDEPTH
        )
        if samples is None:
            raise damaged("png", "its data cannot be decoded")
        if samples.ndim == 3:
            samples = np.concatenate([samples[..., 2::-1], samples[..., 3:]], axis=2)
        # OpenCV spreads the levels of 1 to 4 bits over 0..255; the labels are the levels.
        if header.bits < 8:
            samples = samples // (255 // (2**header.bits - 1))
        return _from_samples(np.asarray(samples), is_lossy=False)
    if header.kind == "tiff":
        return _from_samples(_tiff(data), is_lossy=False)
    return _from_samples(decode(data, max_pixels=max_pixels), is_lossy=is_lossy)


def _with_palette(data: bytes, kind: str) -> RawMask:
    opener: Any = PngImagePlugin.PngImageFile if kind == "png" else TiffImagePlugin.TiffImageFile
    try:
        with opener(io.BytesIO(data)) as image:
            indices = np.asarray(image)
            colours = image.getpalette("RGB") or []
    except _BROKEN as problem:
        raise damaged(kind, "its data cannot be decoded") from problem
    if indices.ndim != 2:
        return _from_samples(indices, is_lossy=False)
    palette = {
        at: colours[3 * at] << 16 | colours[3 * at + 1] << 8 | colours[3 * at + 2]
        for at in range(len(colours) // 3)
    }
    return RawMask(labels=indices.astype(np.int32), palette=palette)


def _tiff(data: bytes) -> NDArray[np.generic]:
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            samples = np.asarray(page.asarray())
            axes = page.axes
    except (tifffile.TiffFileError, RuntimeError, *_BROKEN) as problem:
        raise damaged("tiff", "its data cannot be decoded") from problem
    return np.moveaxis(samples, 0, -1) if axes == "SYX" else samples


def _from_samples(samples: NDArray[np.generic], *, is_lossy: bool) -> RawMask:
    repairs: list[str] = []
    if samples.dtype.kind == "b":
        samples = samples.astype(np.uint8)
    if samples.dtype.kind == "f":
        samples = _whole(samples)
    if samples.dtype.kind not in "iu" or samples.ndim not in (2, 3):
        raise PictureError(
            f"Expected whole numbers as labels, but the mask holds {samples.dtype} of shape "
            f"{samples.shape}; save it as an 8-bit PNG."
        )
    is_colour = False
    if samples.ndim == 3:
        samples, is_colour, repairs = _one_channel(samples)
    if samples.size == 0 or int(samples.max()) > _LARGEST or int(samples.min()) < 0:
        raise PictureError("Expected labels from 0 up, but the mask holds others; save it anew.")
    return RawMask(
        labels=np.ascontiguousarray(samples, np.int32),
        is_colour=is_colour,
        is_lossy=is_lossy,
        repairs=tuple(repairs),
    )


def _whole(samples: NDArray[np.generic]) -> NDArray[np.generic]:
    numbers = samples.astype(np.float64)
    if not np.isfinite(numbers).all() or np.abs(numbers - np.round(numbers)).max() > 1e-6:
        raise PictureError(
            "Expected whole numbers as labels, but the mask holds fractions (probabilities?); "
            "choose a threshold and save it as an 8-bit PNG."
        )
    return np.round(numbers).astype(np.int64)


def _one_channel(
    samples: NDArray[np.generic],
) -> tuple[NDArray[np.generic], bool, list[str]]:
    """Return the labels of a picture with channels, whether they are colours, and repairs."""
    count = samples.shape[2]
    repairs: list[str] = []
    if count in (2, 4):
        alpha, samples = samples[..., -1], samples[..., :-1]
        is_flat = bool((samples == samples[0, 0]).all())
        if is_flat and alpha.min() != alpha.max():
            return alpha, False, ["The marks are in the transparency channel, which was taken."]
        repairs.append("The transparency channel was dropped.")
    if samples.shape[2] == 1:
        return samples[..., 0], False, repairs
    if samples.shape[2] != 3:
        raise PictureError(
            f"Expected a mask of one channel or of colours, but this one has {count} channels; "
            "save one class per file, or one number per pixel."
        )
    if (samples[..., 0] == samples[..., 1]).all() and (samples[..., 1] == samples[..., 2]).all():
        repairs.append("Three equal channels were made one.")
        return samples[..., 0], False, repairs
    dark = [channel for channel in range(3) if samples[..., channel].any()]
    if len(dark) == 1 and samples.dtype != np.uint8:
        repairs.append("Two empty channels were dropped.")
        return samples[..., dark[0]], False, repairs
    if samples.dtype != np.uint8:
        raise PictureError("Expected colours of 8 bits, but the mask has more; save it anew.")
    wide = samples.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2], True, repairs
