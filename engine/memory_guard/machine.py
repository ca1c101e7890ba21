"""Free memory and swap as the container sees it.

A container's limit is in its control group, not in the machine's figures: psutil on a 4 GB
container of a 64 GB host says 60 GB. Sources: the kernel's documents ``admin-guide/cgroup-v2.rst``
and ``admin-guide/cgroup-v1/memory.rst``; ``proc(5)`` for ``mountinfo``. MB are 10⁶ bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import psutil

from engine.memory_guard.control_groups import MemorySource, groups
from engine.memory_guard.kernel_files import table

__all__ = ["MemoryState", "free_memory_mb"]

_MB = 1_000_000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryState:
    """Memory at one moment, in MB.

    ``total_mb`` and ``available_mb`` are those of the tightest limit that applies, which
    ``source`` names. ``limit_mb`` is the control group's limit, None without one.
    ``swap_free_mb`` is reported and never counted as free: swapping is too slow to work in.
    """

    total_mb: float
    available_mb: float
    limit_mb: float | None
    swap_free_mb: float
    source: MemorySource


def free_memory_mb(*, root: Path = Path("/")) -> MemoryState:
    """Read the memory of the machine and of all control groups around this process.

    Pages of files that were not used lately (``inactive_file``) count as free, because the kernel
    drops them before it refuses memory. Nested groups: the tightest one counts. ``root`` is the
    root of the file system with ``proc`` and ``sys``.
    """
    total, available, swap_free = _machine(root)
    source: MemorySource = "system"
    limit: int | None = None
    for group in groups(root):
        limit = group.limit if limit is None else min(limit, group.limit)
        total = min(total, group.limit)
        free = group.limit - group.used
        if free < available:
            available, source = free, group.source
        if group.swap_free is not None:
            swap_free = min(swap_free, group.swap_free)
    return MemoryState(
        total_mb=total / _MB,
        available_mb=max(available, 0) / _MB,
        limit_mb=None if limit is None else limit / _MB,
        swap_free_mb=max(swap_free, 0) / _MB,
        source=source,
    )


def _machine(root: Path) -> tuple[int, int, int]:
    """Return total, available and free swap of the machine in bytes."""
    figures = table(root / "proc" / "meminfo")
    if "MemTotal" in figures and "MemAvailable" in figures:
        parts = (figures["MemTotal"], figures["MemAvailable"], figures.get("SwapFree", 0))
        return parts[0] * 1024, parts[1] * 1024, parts[2] * 1024  # meminfo counts KiB
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()  # other systems than Linux
    return int(memory.total), int(memory.available), int(swap.free)
