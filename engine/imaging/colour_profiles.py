"""Embedded ICC profiles: from the colours of a camera or press to sRGB.

Phones save Display P3; read as sRGB their reds come out too pale, and redness is what an eye
check measures. Little CMS does the arithmetic, through Pillow.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

__all__ = ["to_srgb"]

_MODES = {"RGB": ("RGB", "YCbCr", "P", "L", "1"), "GRAY": ("L", "1"), "CMYK": ("CMYK",)}


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Return ``image`` as RGB in sRGB, by its ICC ``profile``; relative colorimetric intent.

    A profile that is broken, or made for another number of channels, is ignored: the picture is
    then taken as sRGB, as browsers do. A profile that changes no colour by more than one level
    is sRGB by another name, and the samples stay exactly as stored.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if image.mode not in _MODES.get(space, ()):
            return image.convert("RGB")
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[space]
        turn = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        stored = image if image.mode == mode else image.convert(mode)
        if mode != "CMYK" and _is_srgb(turn, mode):
            return stored.convert("RGB")
        changed = ImageCms.applyTransform(stored, turn)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB")
    return changed if changed is not None else image.convert("RGB")


def _is_srgb(turn: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Tell whether a transform leaves a 9×9×9 cube of colours (or all greys) as it was."""
    if mode == "L":
        before = np.arange(256, dtype=np.uint8)[np.newaxis]
    else:
        steps = np.linspace(0, 255, 9).round().astype(np.uint8)
        before = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    changed = ImageCms.applyTransform(Image.fromarray(before), turn)
    assert changed is not None
    after = np.asarray(changed).astype(np.int16)
    wanted = np.repeat(before[..., np.newaxis], 3, axis=-1) if mode == "L" else before
    return bool(np.abs(after - wanted).max() <= 1)
