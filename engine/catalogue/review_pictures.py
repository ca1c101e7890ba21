"""Pictures for those who look at masks: small, with a mask laid over. Knows files, not who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from engine.store.files import Files
    from engine.store.records import Image, Mask

__all__ = ["picture_with", "read_mask"]


def picture_with(
    files: Files,
    image: Image,
    mask: NDArray[np.uint8] | None,
    colours: Mapping[int, tuple[int, int, int]],
    *,
    width: int,
) -> bytes:
    """Return a JPEG of the whole picture, at most ``width`` pixels wide, with ``mask`` over it.

    Raises
    ------
    NotFoundError, DamagedFileError, PictureError
        When the picture's file is missing, damaged, or no picture.
    """
    from engine.annotation.raster import Box
    from engine.annotation.tiles import laid_over, open_picture
    from engine.imaging import pictures

    with files.path(image.sha256) as path:
        opened = open_picture(path)
        box = Box.whole(opened.shape)
        across = min(width, box.width)
        down = max(1, round(box.height * across / box.width))
        seen = opened.read(box, width=across, height=down)
    if mask is not None:
        seen = laid_over(seen, mask, dict(colours), opacity=0.45)
    return pictures.encode_jpeg(seen, 88)


def read_mask(files: Files, mask: Mask) -> NDArray[np.uint8]:
    """Return the pixels of a revision.

    Raises
    ------
    NotFoundError, DamagedFileError, PictureError
        When its file is missing, damaged, or no mask.
    """
    from engine.imaging import masks

    return masks.decode(files.read(mask.sha256), classes=255)
