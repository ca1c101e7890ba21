"""Webcam streams of visitors: few, short-lived, and each known only to who started it."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar, final

from engine.errors import BusyError, RequestError

__all__ = ["Streams"]

S = TypeVar("S")


@final
class Streams(Generic[S]):
    """Streams by unguessable name; one that nobody uses for a while is forgotten.

    Parameters
    ----------
    open_stream
        Makes a new stream.
    most
        Streams at the same time; the next visitor is told to come back.
    idle_s
        Seconds without a frame after which a stream and its pictures are forgotten.
    clock
        Seconds that never run backwards.
    """

    def __init__(
        self,
        open_stream: Callable[[], S],
        *,
        most: int = 64,
        idle_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_stream = open_stream
        self._most = most
        self._idle_s = idle_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, S, threading.Lock]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many streams are open."""
        with self._lock:
            self._forget_idle()
            return len(self._kept)

    def start(self) -> str:
        """Open a stream and return its name."""
        with self._lock:
            self._forget_idle()
            if len(self._kept) >= self._most:
                raise BusyError(
                    f"{self._most} cameras are being checked right now; try again in 10 seconds.",
                    retry_after_s=10,
                )
            name = secrets.token_urlsafe(24)
            self._kept[name] = (self._clock(), self._open_stream(), threading.Lock())
            return name

    def get(self, name: str) -> tuple[S, threading.Lock]:
        """Return the stream and the lock that its frames must pass through one by one.

        Raises
        ------
        RequestError
            When the name is unknown or its stream was forgotten.
        """
        with self._lock:
            self._forget_idle()
            if name not in self._kept:
                raise RequestError(
                    "'session' names no open stream: one ends with its result or after "
                    f"{self._idle_s:.0f} seconds without a frame; leave 'session' empty to "
                    "start again."
                )
            _, stream, turn = self._kept[name]
            self._kept[name] = (self._clock(), stream, turn)
            self._kept.move_to_end(name)
            return stream, turn

    def end(self, name: str) -> None:
        """Forget a stream and its pictures; an unknown name is fine."""
        with self._lock:
            self._kept.pop(name, None)

    def _forget_idle(self) -> None:
        oldest = self._clock() - self._idle_s
        while self._kept and next(iter(self._kept.values()))[0] < oldest:
            self._kept.popitem(last=False)
