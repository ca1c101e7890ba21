"""How much memory is free as the container sees it, and a clear error before it runs out.

Of graphics cards too, where there are any. Knows no job and no page. MB are 10⁶ bytes.
"""

from __future__ import annotations

from engine.memory_guard.control_groups import MemorySource
from engine.memory_guard.forecasts import forecast_arrays_mb, forecast_decode_mb
from engine.memory_guard.gpu import GpuMemory, gpu_memory
from engine.memory_guard.guard import DEFAULT_FLOOR_MB, MemoryGuard
from engine.memory_guard.machine import MemoryState, free_memory_mb
from engine.memory_guard.pausing import PausingGuard, give_memory_back

__all__ = [
    "DEFAULT_FLOOR_MB",
    "GpuMemory",
    "MemoryGuard",
    "MemorySource",
    "MemoryState",
    "PausingGuard",
    "forecast_arrays_mb",
    "forecast_decode_mb",
    "free_memory_mb",
    "give_memory_back",
    "gpu_memory",
]
