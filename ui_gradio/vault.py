"""Uploads in flight, in memory only: unguessable names, one reader, a short life.

Gradio would write an upload to disk under the hash of its content, readable by anybody who knows
that hash. Here a name is random, works once, and nothing touches the disk.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, final

from engine.errors import BusyError, RequestError, TooLargeError

__all__ = ["PREFIX", "Vault"]

PREFIX: Final = "upload:"
"""Begins every name that a vault gives out."""


@final
class Vault:
    """Bytes by random name, forgotten when taken or when their time is over.

    Parameters
    ----------
    max_total_bytes
        All uploads together; the next one is refused as busy.
    life_s
        Seconds after which an upload that nobody took is forgotten.
    clock
        Seconds that never run backwards.
    """

    def __init__(
        self,
        *,
        max_total_bytes: int,
        life_s: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_total_bytes = max_total_bytes
        self._life_s = life_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many uploads wait for their reader."""
        with self._lock:
            self._forget_old()
            return len(self._kept)

    def put(self, data: bytes) -> str:
        """Keep ``data`` and return the name that takes it out again."""
        if len(data) > self._max_total_bytes:
            raise TooLargeError(
                f"The upload has {len(data)} bytes but at most {self._max_total_bytes} can be "
                "kept; send a smaller file."
            )
        with self._lock:
            self._forget_old()
            if sum(len(kept) for _, kept in self._kept.values()) + len(data) > (
                self._max_total_bytes
            ):
                raise BusyError("Too many uploads wait to be used; try again in 5 seconds.")
            name = PREFIX + secrets.token_urlsafe(24)
            self._kept[name] = (self._clock() + self._life_s, data)
            return name

    def take(self, name: str) -> bytes:
        """Return the bytes of ``name`` and forget them.

        Raises
        ------
        RequestError
            When the name is unknown, was used before, or is too old.
        """
        with self._lock:
            self._forget_old()
            _, data = self._kept.pop(name, (0.0, None))
        if data is None:
            raise RequestError(
                "The uploaded file is not here: a name works once and for "
                f"{self._life_s:.0f} seconds; upload the file again."
            )
        return data

    def _forget_old(self) -> None:
        now = self._clock()
        while self._kept and next(iter(self._kept.values()))[0] <= now:
            self._kept.popitem(last=False)
