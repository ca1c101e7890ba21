"""Pictures that are read part by part: arrays of any depth, and TIFF files of any size.

A TIFF that is cut into tiles or strips is decoded only where it is read, and a bounded part of it
is kept. Whatever is not such a file is decoded whole. What leaves is RGB of bytes, upright.
"""

from __future__ import annotations

import struct
import zlib
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, PictureError, TooLargeError

if TYPE_CHECKING:
    import tifffile

__all__ = ["MOST_PIXELS", "ArraySource", "TiffSource", "open_source"]

MOST_PIXELS: Final = 500_000_000
"""Pixels that a file on this machine's own disk may have; its mask then takes 500 MB."""

_KEPT_BYTES: Final = 64_000_000
_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_GREY, _RGB, _YCBCR = 1, 2, 6
_CONTIGUOUS: Final = 1
_TURN, _PROFILE = 274, 34675
_BROKEN: Final = (
    *(OSError, ValueError, IndexError, KeyError, TypeError, RuntimeError),
    *(struct.error, zlib.error),
)


@final
class ArraySource:
    """A picture in memory: ``(H, W)`` or ``(H, W, 1..4)`` of bool, whole numbers or floats.

    Grey becomes RGB, deeper samples are scaled as :func:`engine.imaging.samples.to_rgb` says, by
    ``white`` or by what the whole picture holds.

    Raises
    ------
    PictureError
        For another shape or type.
    """

    def __init__(self, array: NDArray[np.generic], *, white: float | None = None) -> None:
        is_plain = (
            isinstance(array, np.ndarray)
            and array.dtype == np.uint8
            and array.ndim == 3
            and array.shape[2] == 3
            and array.size
        )
        if is_plain and white in (None, 255):
            self._pixels = np.asarray(array, np.uint8)
        else:
            from engine.imaging import samples

            self._pixels = samples.to_rgb(array, white=white)
        self.height, self.width = self._pixels.shape[:2]

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return ``(height, width, 3) uint8``; the part lies inside of the picture."""
        return self._pixels[top : top + height, left : left + width]

    def close(self) -> None:
        """Let go of the pixels."""
        self._pixels = np.empty((0, 0, 3), np.uint8)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@final
class TiffSource:
    """The first page of a TIFF of tiles or strips: grey or RGB, 8 or 16 bits a sample.

    Decoded tiles are kept up to 64 MB. For one thread at a time.

    Raises
    ------
    PictureError
        When the file is no such TIFF; :func:`open_source` reads others whole.
    """

    def __init__(self, path: Path) -> None:
        import tifffile

        try:
            self._file = tifffile.TiffFile(path)
        except (tifffile.TiffFileError, *_BROKEN) as problem:
            raise PictureError(f"Expected a TIFF in {path.name!r}, but {problem}.") from problem
        try:
            page: Any = self._file.pages.first
            if not _is_readable_by_part(page):
                raise PictureError(
                    f"Expected a grey or RGB TIFF of 8 or 16 bits in tiles or strips, but "
                    f"{path.name!r} is another kind; save it anew."
                )
        except (tifffile.TiffFileError, *_BROKEN) as problem:
            self._file.close()
            raise PictureError(f"The TIFF {path.name!r} is damaged ({problem}).") from problem
        except PictureError:
            self._file.close()
            raise
        self._page = page
        self._high = int(
            page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
        )
        self._wide = int(page.tilewidth if page.is_tiled else page.imagewidth)
        self._white = float(2**page.bitspersample - 1)
        self._kept: OrderedDict[int, NDArray[np.generic]] = OrderedDict()
        self.height, self.width = int(page.imagelength), int(page.imagewidth)
        try:
            self._segment(0)  # tells whether the codec is there
        except PictureError:
            self.close()
            raise

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return ``(height, width, 3) uint8``; the part lies inside of the picture.

        Raises
        ------
        PictureError
            When a tile of the file is damaged.
        """
        from engine.imaging import samples

        page = self._page
        whole = np.zeros((height, width, page.samplesperpixel), page.dtype)
        across = -(-self.width // self._wide)
        for row in range(top // self._high, -(-(top + height) // self._high)):
            for col in range(left // self._wide, -(-(left + width) // self._wide)):
                part = self._segment(row * across + col)
                if part is not None:
                    _paste(whole, part, row * self._high - top, col * self._wide - left)
        return samples.to_rgb(whole, white=self._white)

    def close(self) -> None:
        """Close the file."""
        self._kept.clear()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _segment(self, number: int) -> NDArray[np.generic] | None:
        """Return a decoded tile or strip ``(h, w, S)``; None for one that was left out as empty."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        page = self._page
        try:
            if not page.databytecounts[number]:
                return None
            handle: tifffile.FileHandle = page.parent.filehandle
            handle.seek(page.dataoffsets[number])
            data = handle.read(page.databytecounts[number])
            decoded = page.decode(data, number, jpegtables=page.jpegtables)[0]
        except _BROKEN as problem:
            raise PictureError("A part of the TIFF is damaged; save it anew.") from problem
        if decoded is None:
            return None
        part: NDArray[np.generic] = decoded.reshape(decoded.shape[-3:])
        self._kept[number] = part
        while len(self._kept) > 1 and sum(a.nbytes for a in self._kept.values()) > _KEPT_BYTES:
            self._kept.popitem(last=False)
        return part


def open_source(
    path: Path, *, max_pixels: int = MOST_PIXELS, white: float | None = None
) -> ArraySource | TiffSource:
    """Open a picture file for reading part by part; close it (``with``) when done.

    ``white`` is the sample of deeper pictures that becomes 255, see
    :func:`engine.imaging.samples.to_rgb`.

    Raises
    ------
    InputError
        When there is no such file.
    PictureError, TooLargeError
        As :func:`engine.imaging.pictures.decode`; ``max_pixels`` holds for TIFFs too.
    """
    try:
        with path.open("rb") as file:
            is_tiff = file.read(4) in _TIFF
        source = _by_part(path) if is_tiff and white is None else None
        data = b"" if source is not None else path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Expected a picture at {path}, but it cannot be read ({error.strerror}); "
            "check the path."
        ) from error
    if source is None:
        return ArraySource(_decoded(data, max_pixels=max_pixels, white=white))
    if source.height * source.width > max_pixels:
        shape = source.height, source.width
        source.close()
        raise TooLargeError(
            f"The picture is {shape[1]}×{shape[0]} ({shape[0] * shape[1] / 1e6:.1f} megapixels), "
            f"but at most {max_pixels / 1e6:.1f} megapixels are accepted; cut it."
        )
    return source


def _decoded(data: bytes, *, max_pixels: int, white: float | None) -> NDArray[np.uint8]:
    """Decode a whole file; the largest plain ones in no more memory than their pixels take."""
    from engine.imaging import headers, pictures

    header = headers.read_header(data)
    is_plain = (
        header.kind in ("png", "jpeg")
        and header.bits == 8
        and header.channels in (1, 3)
        and header.orientation == 1
        and header.is_complete
        and not (header.has_profile or header.has_palette or header.has_transparent_colour)
    )
    if is_plain and pictures.MAX_PIXELS < header.pixels <= max_pixels:
        import cv2

        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        with suppress(cv2.error):
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
            if pixels is not None:
                return np.asarray(pixels, np.uint8)
    return pictures.decode(data, max_pixels=max_pixels, white=white)


def _by_part(path: Path) -> TiffSource | None:
    try:
        return TiffSource(path)
    except PictureError:  # whole, then, and with that reader's own sentence if damaged
        return None


def _is_readable_by_part(page: Any) -> bool:  # noqa: ANN401 – a page of tifffile, which has no types
    """Tell whether parts can be decoded alone and mean what the whole means."""
    turn, profile = page.tags.get(_TURN), page.tags.get(_PROFILE)
    channels = {_GREY: 1, _RGB: 3, _YCBCR: 3}.get(int(page.photometric))
    return bool(
        (page.is_tiled or page.rowsperstrip)
        and page.dtype in (np.uint8, np.uint16)
        and page.bitspersample in (8, 12, 16)
        and page.samplesperpixel == channels
        and (channels == 1 or page.planarconfig == _CONTIGUOUS)
        and page.imagedepth == 1
        and (turn is None or turn.value == 1)
        and profile is None
        and len(page.dataoffsets) > 0
    )


def _paste(whole: NDArray[Any], part: NDArray[Any], top: int, left: int) -> None:
    """Lay ``part`` into ``whole`` with its corner at ``top``, ``left``, which may lie outside."""
    first, start = max(0, top), max(0, left)
    last, end = min(whole.shape[0], top + part.shape[0]), min(whole.shape[1], left + part.shape[1])
    if first < last and start < end:
        whole[first:last, start:end] = part[first - top : last - top, start - left : end - left]
