"""Who may come in and how much runs at once: a full house answers "busy" instead of waiting.

One :class:`Admission` belongs to one application. All its doors, plain routes and Gradio's queue,
count together against one capacity, and heavy steps share one number of work places.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

from engine.errors import BusyError

__all__ = ["Admission"]


@final
class Admission:
    """A bounded number of requests in the house, and fewer that work at the same time.

    Parameters
    ----------
    capacity
        Requests that may be waiting or running; the next one is refused.
    work_places
        Heavy steps that may run at the same time, at least 1.
    retry_after_s
        When a refused caller should come back, in seconds.
    """

    def __init__(self, *, capacity: int, work_places: int, retry_after_s: int = 2) -> None:
        self.capacity = capacity
        self.work_places = work_places
        self._retry_after_s = retry_after_s
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(work_places)
        self._inside = 0
        self._elsewhere: list[Callable[[], int]] = []

    @property
    def inside(self) -> int:
        """Requests that are waiting or running, behind every door."""
        return self._inside + sum(count() for count in self._elsewhere)

    def count_also(self, source: Callable[[], int]) -> None:
        """Count the requests of another door, such as a queue with its own bookkeeping."""
        self._elsewhere.append(source)

    def require_room(self) -> None:
        """Raise :class:`BusyError` when the house is full."""
        inside = self.inside
        if inside >= self.capacity:
            raise BusyError(
                f"The server takes {self.capacity} requests at a time and {inside} are waiting; "
                f"try again in {self._retry_after_s} seconds.",
                retry_after_s=self._retry_after_s,
            )

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Hold one place in the house; raises :class:`BusyError` at the door."""
        with self._lock:
            self.require_room()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1

    @contextmanager
    def work(self) -> Iterator[None]:
        """Hold one work place; waits for it."""
        with self._places:
            yield
