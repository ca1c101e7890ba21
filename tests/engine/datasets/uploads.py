"""Small uploads whose truth is known by construction, for tests of importing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["jpeg", "marks", "picture", "png", "zip_of"]


def picture(seed: int = 0, *, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Return smooth colours that differ with the seed."""
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def marks(seed: int = 0, *, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Return 0 with a disc of 1, elsewhere for each seed."""
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (20 + seed % 20, 24), 8, 1, cv2.FILLED)
    return mask


def png(array: NDArray[np.generic], **notes: str) -> bytes:
    """Return a PNG; ``notes`` become text chunks."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, value in notes.items():
        info.add_text(key, value)
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def jpeg(array: NDArray[np.uint8], exif: Image.Exif | None = None) -> bytes:
    """Return a JPEG with an EXIF block."""
    out = io.BytesIO()
    Image.fromarray(array).save(out, "JPEG", quality=92, **({"exif": exif} if exif else {}))
    return out.getvalue()


def zip_of(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a ZIP of these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
