"""Models that are open: reading and compiling one takes longer than asking it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, final

from engine.memory_guard import MemoryGuard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.segmentation.segmenter import Segmenter
    from engine.settings import Settings

__all__ = ["Segmenters"]

_KEPT: Final = 2
_OPEN_MB: Final = 250.0


@final
class Segmenters:
    """The models that were asked last, and one question at a time: a network takes all cores."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: OrderedDict[str, Segmenter] = OrderedDict()
        self._opening = threading.Lock()
        self._asking = threading.Lock()
        self.guard = MemoryGuard(floor_mb=settings.memory_floor_mb)

    def get(self, model_id: str, folder: Callable[[], Path]) -> Segmenter:
        """Return the model with that id; ``folder`` tells where it lies when it is not open yet.

        Raises
        ------
        ModelError
            When it cannot be used.
        MemoryShortError
            When there is no room to open it.
        """
        from engine.segmentation.segmenter import open_segmenter

        with self._opening:
            found = self._open.pop(model_id, None)
            if found is None:
                self.guard.require(_OPEN_MB, what="opening a model")
                found = open_segmenter(
                    folder(),
                    device=self._settings.device,
                    precision=self._settings.precision,
                    guard=self.guard,
                )
            self._open[model_id] = found
            while len(self._open) > _KEPT:
                self._open.popitem(last=False)
            return found

    @contextmanager
    def turn(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Wait for one's turn; ``waiting`` is called meanwhile and may raise to give up."""
        while not self._asking.acquire(timeout=0.5):
            waiting()
        try:
            yield
        finally:
            self._asking.release()
