"""Batches of patches: which picture, where in it, and as what a network takes.

A batch follows from the seed and the number of its step alone, so a resumed training sees what an
uninterrupted one would have seen.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, final

import numpy as np
from numpy.typing import NDArray

from engine.segmentation.normalising import normalise
from engine.training.augmentation import Strength, cut, recoloured
from engine.training.preparing import PreparedPicture

__all__ = ["Batch", "Loader", "Sampler"]

_RARE_SHARE: Final = 0.6
"""Share of patches that are cut around a pixel of a class by turns, so that rare ones are seen."""
_WAITING: Final = 3


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Patches ``(N, 3, P, P) float32``, normalised, and their masks ``(N, P, P) uint8``."""

    step: int
    pictures: NDArray[np.float32]
    masks: NDArray[np.uint8]


@final
class Sampler:
    """Cuts the patches of any step. Pictures without an annotated pixel are never chosen."""

    def __init__(
        self,
        pictures: Sequence[PreparedPicture],
        *,
        patch_px: int,
        batch_size: int,
        strength: Strength,
        seed: int,
    ) -> None:
        self._pictures = [one for one in pictures if one.annotated]
        self._patch_px = patch_px
        self._batch_size = batch_size
        self._strength: Strength = strength
        self._seed = seed
        # A picture twice as large in area is taken more often, but not twice as often.
        area = np.array([one.height * one.width for one in self._pictures], float)
        self._chance = np.sqrt(area) / np.sqrt(area).sum()
        classes = len(self._pictures[0].counts) if self._pictures else 0
        self._holders = [
            [i for i, one in enumerate(self._pictures) if one.counts[value]]
            for value in range(classes)
        ]

    def batch(self, step: int) -> Batch:
        """Return the patches of one step."""
        pictures, masks = [], []
        for number in range(self._batch_size):
            rng = np.random.default_rng([self._seed, step, number])
            one, centre = self._place(rng)
            patch = cut(
                one.picture(),
                one.mask(),
                centre,
                patch_px=self._patch_px,
                strength=self._strength,
                rng=rng,
            )
            values = normalise(patch.picture, one.levels)
            pictures.append(recoloured(values, self._strength, rng))
            masks.append(patch.mask)
        return Batch(step=step, pictures=np.stack(pictures), masks=np.stack(masks))

    def _place(self, rng: np.random.Generator) -> tuple[PreparedPicture, tuple[int, int]]:
        holders = [held for held in self._holders if held]
        if rng.random() < _RARE_SHARE:
            held = holders[int(rng.integers(len(holders)))]
            one = self._pictures[held[int(rng.integers(len(held)))]]
            value = self._holders.index(held)
            places = one.places[value]
        else:
            one = self._pictures[int(rng.choice(len(self._pictures), p=self._chance))]
            known = [places for places in one.places if len(places)]
            places = known[int(rng.integers(len(known)))]
        row, column = places[int(rng.integers(len(places)))]
        wander = self._patch_px // 3
        moved = rng.integers(-wander, wander + 1, 2)
        return one, (
            self._inside(int(row + moved[0]), one.height),
            self._inside(int(column + moved[1]), one.width),
        )

    def _inside(self, middle: int, length: int) -> int:
        """Move a patch's middle so far that the patch lies in the picture, if it is that large."""
        half, centre = self._patch_px // 2, length // 2
        return int(np.clip(middle, min(half, centre), max(length - half, centre)))


@final
class Loader:
    """Cuts the batches of the next steps in a thread of its own.

    ``waited_s`` is how long whoever trains has waited for it so far.
    """

    def __init__(self, sampler: Sampler, *, first: int) -> None:
        self._sampler = sampler
        self._first = first
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue(_WAITING)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._cut, name="patches", daemon=True)
        self.waited_s = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        with suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
        self._thread.join()

    def __iter__(self) -> Iterator[Batch]:
        while True:
            began = time.monotonic()
            found = self._ready.get()
            self.waited_s += time.monotonic() - began
            if isinstance(found, BaseException):
                raise found
            yield found

    def _cut(self) -> None:
        step = self._first
        while not self._ending.is_set():
            found: Batch | BaseException
            try:
                found = self._sampler.batch(step)
            except BaseException as error:  # noqa: BLE001 – raised again where it is waited for
                found = error
            while not self._ending.is_set():
                with suppress(queue.Full):
                    self._ready.put(found, timeout=0.1)
                    break
            step += 1
