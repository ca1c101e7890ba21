"""Stored pictures as a segmenter reads them: part by part, never whole when they are large."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from engine.annotation.raster import Box
from engine.annotation.tiles import region, shrink
from engine.datasets.taking import MAX_PIXELS
from engine.errors import PictureError
from engine.inference.tiled_sources import open_source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.store.files import Files
    from engine.store.records import Image

__all__ = ["Part", "StoredPicture", "opened"]

_WHOLE_PX: Final = 24_000_000


@final
class StoredPicture:
    """The pixels of a stored file; one that is kept in tiles stays on the disk.

    Raises
    ------
    PictureError, TooLargeError
        When the file cannot be read as a picture, or is none of the size that its record says.
    """

    def __init__(self, path: Path, image: Image) -> None:
        self._path = path
        self._source = open_source(path, max_pixels=MAX_PIXELS)
        self.height, self.width = self._source.height, self._source.width
        if (self.height, self.width) != (image.height_px, image.width_px):
            self._source.close()
            raise PictureError(
                f"The file of this picture is {self.width}×{self.height} pixels, but its record "
                f"says {image.width_px}×{image.height_px}; import the picture again."
            )

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return a part ``(height, width, 3) uint8``."""
        return self._source.read(top, left, height, width)

    def small(self, *, width: int, height: int) -> NDArray[np.uint8]:
        """Return all of it at another size."""
        if self.height * self.width <= _WHOLE_PX:
            return shrink(self.read(0, 0, self.height, self.width), width=width, height=height)
        return region(self._path, Box.whole((self.height, self.width)), width=width, height=height)

    def close(self) -> None:
        """Close the file."""
        self._source.close()


@final
class Part:
    """A box of another source, as a picture of its own."""

    def __init__(self, source: StoredPicture, box: Box) -> None:
        self._source, self._box = source, box
        self.height, self.width = box.height, box.width

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return a part ``(height, width, 3) uint8``."""
        return self._source.read(top + self._box.top, left + self._box.left, height, width)


@contextmanager
def opened(files: Files, image: Image) -> Iterator[StoredPicture]:
    """Open the file of a stored picture for as long as it is read."""
    with files.path(image.sha256) as path, closing(StoredPicture(path, image)) as source:
        yield source
