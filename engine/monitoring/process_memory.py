"""Resident memory of this process and of all that it started."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, final

import psutil

__all__ = ["FamilyMemory", "ProcessMeter"]

_MB: Final = 1_000_000
_COST_SHARE: Final = 0.001
"""Looking for children reads a file of every process of the machine: at most 0.1 % of a core."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyMemory:
    """Resident memory in MB; pages that processes share are counted in each."""

    own_mb: float
    children_mb: float
    children: int


@final
class ProcessMeter:
    """Reads own memory at every question, and looks for children as often as that is cheap."""

    def __init__(self) -> None:
        self._self = psutil.Process()
        self._children: list[psutil.Process] = []
        self._next_look = 0.0

    def read(self) -> FamilyMemory:
        """Return the memory now; children that were started lately may be missing for a while."""
        self._look_for_children()
        sizes = [size for size in map(_size_mb, self._children) if size is not None]
        return FamilyMemory(
            own_mb=self._self.memory_info().rss / _MB,
            children_mb=sum(sizes),
            children=len(sizes),
        )

    def _look_for_children(self) -> None:
        if time.monotonic() < self._next_look:
            return
        began = time.thread_time()
        try:
            self._children = self._self.children(recursive=True)
        except psutil.Error:  # they may end while they are counted
            self._children = []
        cost_s = time.thread_time() - began
        self._next_look = time.monotonic() + max(4.0, cost_s / _COST_SHARE)


def _size_mb(process: psutil.Process) -> float | None:
    try:
        return float(process.memory_info().rss / _MB)
    except psutil.Error:
        return None
