"""A box of a large picture at the size of a screen, without the rest of it in memory.

Tiled TIFFs are read tile by tile from the level that is just fine enough; other pictures are
decoded whole, up to the usual limit of pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.annotation.raster import Box
from engine.errors import PictureError, TooLargeError
from engine.imaging import pictures

if TYPE_CHECKING:
    import tifffile

__all__ = ["WholePicture", "laid_over", "open_picture", "region", "shrink"]

_MOST_PIXELS_AT_ONCE: Final = 64_000_000
_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@final
class WholePicture:
    """A picture that fits in memory, decoded."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def kept_bytes(self) -> int:
        """Memory that it takes for as long as it is kept."""
        return self.pixels.nbytes

    def read(self, box: Box, *, width: int, height: int) -> NDArray[np.uint8]:
        """Return ``box`` at ``(height, width, 3)``."""
        return shrink(self.pixels[box.part], width=width, height=height)


@final
class _TiledPicture:
    """A tiled TIFF on the disk, opened anew for each box."""

    kept_bytes = 0

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self.path = path
        self.shape = shape

    def read(self, box: Box, *, width: int, height: int) -> NDArray[np.uint8]:
        """Return ``box`` at ``(height, width, 3)``, from the coarsest level that is fine enough."""
        import tifffile

        with tifffile.TiffFile(self.path) as file:
            levels = [level.pages[0] for level in file.series[0].levels]
            page = _fine_enough(levels, self.shape, max(1.0, box.width / width))
            scale = page.shape[1] / self.shape[1], page.shape[0] / self.shape[0]
            part = Box(
                left=int(box.left * scale[0]),
                top=int(box.top * scale[1]),
                right=min(page.shape[1], max(1, round(box.right * scale[0]))),
                bottom=min(page.shape[0], max(1, round(box.bottom * scale[1]))),
            )
            if part.width * part.height > _MOST_PIXELS_AT_ONCE:
                raise TooLargeError(
                    f"This part of the picture is {part.width}×{part.height} pixels; "
                    "import it again, so that it gets smaller levels."
                )
            return shrink(_read_part(page, part), width=width, height=height)


def open_picture(path: Path, data: bytes | None = None) -> WholePicture | _TiledPicture:
    """Return a picture that can be read box by box; ``data`` are its bytes where known.

    Raises
    ------
    PictureError, TooLargeError
        As :func:`engine.imaging.pictures.decode`, for what is no tiled TIFF.
    """
    with path.open("rb") as file:
        is_tiff = file.read(4) in _TIFF
    if is_tiff:
        shape = _tiled_shape(path)
        if shape is not None:
            return _TiledPicture(path, shape)
    return WholePicture(pictures.decode(path.read_bytes() if data is None else data))


def region(path: Path, box: Box, *, width: int, height: int) -> NDArray[np.uint8]:
    """Return ``box`` of the picture in ``path`` at ``(height, width, 3) uint8``."""
    return open_picture(path).read(box, width=width, height=height)


def shrink(part: NDArray[np.uint8], *, width: int, height: int) -> NDArray[np.uint8]:
    """Return ``part`` at another size: averaged when smaller, in blocks of pixels when larger."""
    if part.shape[:2] == (height, width):
        return part
    is_smaller = width <= part.shape[1] and height <= part.shape[0]
    how = cv2.INTER_AREA if is_smaller else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=how))


def laid_over(
    picture: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    colours: dict[int, tuple[int, int, int]],
    *,
    opacity: float,
) -> NDArray[np.uint8]:
    """Return ``picture`` ``(h, w, 3)`` with the states of ``mask`` ``(H, W)`` of the same box.

    States without a colour are clear. Each area has an edge of its full colour.
    """
    height, width = picture.shape[:2]
    rows = (np.arange(height) * 2 + 1) * mask.shape[0] // (2 * height)
    cols = (np.arange(width) * 2 + 1) * mask.shape[1] // (2 * width)
    seen = np.ascontiguousarray(mask[np.ix_(rows, cols)])
    table = np.zeros((256, 3), np.uint8)
    cover = np.zeros(256, np.uint8)
    for state, colour in colours.items():
        table[state], cover[state] = colour, round(255 * opacity)
    amount = cover[seen]
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    edge = cv2.morphologyEx(seen, cv2.MORPH_GRADIENT, cross) > 0
    amount[edge & (amount > 0)] = min(255, round(255 * opacity * 2))
    weight = amount.astype(np.uint16)[..., np.newaxis]
    mixed = picture * (255 - weight) + table[seen] * weight
    return np.asarray((mixed + 127) // 255, np.uint8)


def _tiled_shape(path: Path) -> tuple[int, int] | None:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.series[0].levels[0].pages[0]
            if not page.is_tiled or page.dtype != np.uint8 or page.samplesperpixel not in (1, 3):
                return None
            return int(page.imagelength), int(page.imagewidth)
    except (tifffile.TiffFileError, IndexError, ValueError, OSError):
        return None


def _fine_enough(levels: list[Any], shape: tuple[int, int], wanted: float) -> Any:  # noqa: ANN401 – a page of tifffile, which has no types
    """Return the coarsest page with at least one of its pixels for each that is wanted."""
    fine = [page for page in levels if shape[1] / page.imagewidth <= wanted * 1.01]
    return max(fine or levels[:1], key=lambda page: shape[1] / page.imagewidth)


def _read_part(page: Any, part: Box) -> NDArray[np.uint8]:  # noqa: ANN401 – a page of tifffile, which has no types
    out = np.zeros((part.height, part.width, 3), np.uint8)
    for number, place in _tiles_of(page, part):
        if not page.databytecounts[number]:
            continue
        file: tifffile.FileHandle = page.parent.filehandle
        file.seek(page.dataoffsets[number])
        data = file.read(page.databytecounts[number])
        tile = page.decode(data, number, jpegtables=page.jpegtables)[0]
        if tile is None:
            raise PictureError("A tile of the picture is damaged; import the picture again.")
        pixels = tile.reshape(tile.shape[-3:])
        both = part.cut(
            Box(
                left=place[1],
                top=place[0],
                right=place[1] + pixels.shape[1],
                bottom=place[0] + pixels.shape[0],
            )
        )
        if not both.is_empty:
            rows = slice(both.top - part.top, both.bottom - part.top)
            from_rows = slice(both.top - place[0], both.bottom - place[0])
            out[rows, both.left - part.left : both.right - part.left] = pixels[
                from_rows, both.left - place[1] : both.right - place[1]
            ]
    return out


def _tiles_of(page: Any, part: Box) -> Iterator[tuple[int, tuple[int, int]]]:  # noqa: ANN401 – as above
    """Give the number and the first (row, column) of each tile that ``part`` touches."""
    length, width = page.tilelength, page.tilewidth
    across = -(-page.imagewidth // width)
    for row in range(part.top // length, -(-part.bottom // length)):
        for col in range(part.left // width, -(-part.right // width)):
            yield row * across + col, (row * length, col * width)
