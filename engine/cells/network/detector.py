"""The network that ships, behind the seam: size first, then boxes, large pictures in parts.

Laboratories differ in magnification. A first look at a small copy tells how large red cells are;
where that is far from what the network reads best, the picture is scaled and looked at again.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.cells.asked_pictures import SMALLEST_PX, require_picture
from engine.cells.names import CLASSES, RBC
from engine.cells.network.decoding import Boxes, boxes_of, merged
from engine.cells.network.layout import SIDE_MULTIPLE_PX, STRIDE_PX, normalised
from engine.cells.network.parameters import Parameters
from engine.cells.results import Cell, CellsFound
from engine.errors import MissingBackendError

if TYPE_CHECKING:
    from engine.inference.runtimes import ModelFiles, Runtime
    from engine.settings import Precision

__all__ = ["NetworkDetector"]

_LOOK_PX: Final = 640  # longer side of the first look
_GOOD_PX: Final = (45.0, 130.0)  # diameter of red cells that is read well as it is
_WANTED_PX: Final = 80.0
_TILE_PX: Final = 1024
_OVERLAP_PX: Final = 192
_LOWEST: Final = 0.3  # where a card names no limit
_ENOUGH: Final = 4  # red cells from which the size is believed


@final
class NetworkDetector:
    """Opens the model once; one object serves any number of threads."""

    def __init__(self, folder: Path, *, threads: int = 0, precision: Precision = "auto") -> None:
        """``folder`` has the model and its card; ``threads`` 0 takes what the machine has."""
        from engine.inference.runtimes import ModelFiles

        files = ModelFiles.load(folder)
        self._runtime = _opened(files, threads or None, precision)
        found = files.card.details.get("thresholds")
        self._of_card = (
            {str(k): float(v) for k, v in found.items()} if isinstance(found, dict) else {}
        )
        self._given = Parameters()
        self.name = files.card.label

    def having(self, parameters: Parameters) -> NetworkDetector:
        """Return this detector with other parameters; the open network is shared."""
        other = copy.copy(self)
        other._given = parameters  # noqa: SLF001 – an object of this class
        return other

    def detect(self, picture: NDArray[np.uint8]) -> CellsFound:
        """Return the cells of ``(H, W, 3) uint8`` RGB; see :class:`CellDetector`."""
        require_picture(picture)
        height, width = picture.shape[:2]
        first = min(1.0, _LOOK_PX / max(height, width))
        if self._given.scale:
            scale, boxes = self._given.scale, None
        else:
            boxes = self._looked(picture, first)
            scale = _better_scale(boxes, first, longer_px=max(height, width))
        if boxes is None or scale != first:
            boxes = self._looked(picture, scale)
        return CellsFound(
            cells=tuple(self._cells(boxes, width, height)),
            width=width,
            height=height,
            detector=self.name,
            scale=scale,
        )

    def _looked(self, picture: NDArray[np.uint8], scale: float) -> Boxes:
        """Return boxes in pixels of ``picture``, found at ``scale``."""
        scaled = _scaled(picture, scale)
        parts = []
        for top, left, tile in _tiles(scaled):
            answer = self._runtime.run(normalised(_padded(tile))[None])
            rows, columns = (-(-n // STRIDE_PX) for n in tile.shape[:2])
            heat = answer["heat"][0, :, :rows, :columns]
            sides = answer["sides"][0, :, :rows, :columns]
            found = boxes_of(heat, sides, threshold=self._lowest())
            shift = np.array([left, top, left, top], np.float32)
            parts.append(Boxes((found.corners + shift) / scale, found.classes, found.scores))
        return parts[0] if len(parts) == 1 else merged(parts)

    def _lowest(self) -> float:
        return self._given.least_confidence or min(self._of_card.values(), default=_LOWEST)

    def _limit(self, label: str) -> float:
        return self._given.least_confidence or self._of_card.get(label, _LOWEST)

    def _cells(self, boxes: Boxes, width: int, height: int) -> Iterator[Cell]:
        for corners, kind, score in zip(*boxes, strict=True):
            label = CLASSES[int(kind)]
            left, top = max(0.0, float(corners[0])), max(0.0, float(corners[1]))
            right, bottom = min(float(width), float(corners[2])), min(float(height), corners[3])
            if score < self._limit(label) or right <= left or bottom <= top:
                continue
            yield Cell(
                label=label,
                x=left,
                y=top,
                width=right - left,
                height=float(bottom) - top,
                confidence=float(score),
            )


def _opened(files: ModelFiles, threads: int | None, precision: Precision) -> Runtime:
    """Open the network; ``auto`` is bf16 where the processor has it: boxes differ by nothing."""
    from engine.inference.runtimes import open_runtime

    if precision != "auto":
        return open_runtime(files, device="cpu", precision=precision, threads=threads)
    try:
        return open_runtime(files, device="cpu", precision="bf16", threads=threads)
    except MissingBackendError:
        return open_runtime(files, device="cpu", precision="f32", threads=threads)


def _better_scale(boxes: Boxes, first: float, *, longer_px: int) -> float:
    """Return the scale at which red cells have a size that is read well, at most 2."""
    red = boxes.classes == CLASSES.index(RBC)
    if int(red.sum()) < _ENOUGH:
        return first
    sizes = (boxes.corners[red, 2:] - boxes.corners[red, :2]).mean(axis=1)
    seen_px = float(np.median(sizes)) * first
    if _GOOD_PX[0] <= seen_px <= _GOOD_PX[1] or longer_px * first < 2 * seen_px:
        return first
    return min(2.0, first * _WANTED_PX / seen_px)


def _scaled(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1.0:
        return picture
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    size = tuple(max(SMALLEST_PX, round(n * scale)) for n in picture.shape[1::-1])
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _tiles(picture: NDArray[np.uint8]) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Yield top, left and part; parts overlap, so that each cell is whole in one of them."""
    for top in _starts(picture.shape[0]):
        for left in _starts(picture.shape[1]):
            yield top, left, picture[top : top + _TILE_PX, left : left + _TILE_PX]


def _starts(length: int) -> list[int]:
    """Return where parts begin.

    >>> _starts(1024), _starts(1500)
    ([0], [0, 476])
    """
    if length <= _TILE_PX:
        return [0]
    count = -(-(length - _OVERLAP_PX) // (_TILE_PX - _OVERLAP_PX))
    return [round(i * (length - _TILE_PX) / (count - 1)) for i in range(count)]


def _padded(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the part with its border repeated to sides that the network takes."""
    down, right = (-n % SIDE_MULTIPLE_PX for n in tile.shape[:2])
    if not down and not right:
        return tile
    padded = cv2.copyMakeBorder(tile, 0, down, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)
