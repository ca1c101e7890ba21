"""The mask as it is now: a stored mask and the strokes since, redrawn only where they changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.annotation.history import Done, History
from engine.annotation.raster import Box, bounds, draw
from engine.annotation.strokes import Stroke

__all__ = ["NOT_ANNOTATED", "WorkingMask"]

NOT_ANNOTATED: Final = 255
"""The state of a pixel that nobody has looked at."""


@final
class WorkingMask:
    """The mask of one picture of ``shape`` (rows, columns); ``load`` reads a stored one by name."""

    def __init__(self, shape: tuple[int, int], load: Callable[[str], NDArray[np.uint8]]) -> None:
        self.shape = shape
        self._load = load
        self._ground_name: str | None = None
        self._ground: NDArray[np.uint8] | None = None
        self._drawn: dict[int, Stroke] = {}
        self.pixels = np.full(shape, NOT_ANNOTATED, np.uint8)

    @property
    def kept_bytes(self) -> int:
        """Memory that it takes."""
        return self.pixels.nbytes + (0 if self._ground is None else self._ground.nbytes)

    def follow(self, history: History) -> Box:
        """Bring the mask to what counts in ``history``; return the box that changed."""
        name, strokes = _ground_and_strokes(history)
        wanted = {stroke.seq: stroke for stroke in strokes}
        if name != (self._ground_name or ""):
            return self._begin(name, wanted)
        # The same object is the same stroke: a journal that was put back counts anew.
        changed = [old for seq, old in self._drawn.items() if wanted.get(seq) is not old]
        added = [new for seq, new in sorted(wanted.items()) if self._drawn.get(seq) is not new]
        last = max(self._drawn, default=0)
        is_on_top = not changed and all(stroke.seq > last for stroke in added)
        box = _around([*changed, *added], self.shape)
        self._drawn = wanted
        if is_on_top:
            draw(self.pixels, added)
        elif not box.is_empty:
            self._redraw(box)
        return box

    def _begin(self, name: str, wanted: dict[int, Stroke]) -> Box:
        self._ground = self._load(name) if name else None
        self._ground_name = name
        self._drawn = wanted
        whole = Box.whole(self.shape)
        self._redraw(whole)
        return whole

    def _redraw(self, box: Box) -> None:
        ground = NOT_ANNOTATED if self._ground is None else self._ground[box.part]
        self.pixels[box.part] = ground
        touching = (
            self._drawn[seq]
            for seq in sorted(self._drawn)
            if not bounds(self._drawn[seq], self.shape).cut(box).is_empty
        )
        draw(self.pixels, touching, box=box)


def _ground_and_strokes(history: History) -> tuple[str, list[Stroke]]:
    """Return the name of the stored mask to draw upon (empty: none), and what to draw."""
    done: tuple[Done, ...] = history.done
    saved = history.saved
    name = ""
    if saved is not None:
        name = saved.mask
        done = tuple(what for what in done if what.seq > saved.seq)
    if done and done[0].mask:
        name = done[0].mask
    return name, [what.stroke for what in done if what.stroke is not None]


def _around(strokes: Iterable[Stroke], shape: tuple[int, int]) -> Box:
    """Return one box around all of ``strokes``, empty without any."""
    boxes = [box for box in (bounds(stroke, shape) for stroke in strokes) if not box.is_empty]
    if not boxes:
        return Box(left=0, top=0, right=0, bottom=0)
    return Box(
        left=min(box.left for box in boxes),
        top=min(box.top for box in boxes),
        right=max(box.right for box in boxes),
        bottom=max(box.bottom for box in boxes),
    )
