"""Memory of graphics cards, asked of the driver's own library: nothing is loaded where none is.

``libnvidia-ml`` comes with NVIDIA's driver. The functions used here have been the same since its
version 5 (NVIDIA, "NVML API Reference", ``nvmlDeviceGetMemoryInfo``). MB are 10⁶ bytes.
"""

from __future__ import annotations

import ctypes
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, final

__all__ = ["GpuMemory", "gpu_memory"]

_LIBRARIES: Final = ("libnvidia-ml.so.1", "nvml.dll")
_MB: Final = 1_000_000
_NAME_BYTES: Final = 96
_MOST_CARDS: Final = 64
_asking = threading.Lock()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GpuMemory:
    """Memory of one graphics card at one moment, in MB; ``index`` as the driver counts."""

    index: int
    name: str
    total_mb: float
    used_mb: float
    free_mb: float


def gpu_memory() -> tuple[GpuMemory, ...]:
    """Return the memory of each graphics card; none where there is no card or no driver."""
    library = _library()
    if library is None:
        return ()
    with _asking:
        count = ctypes.c_uint(0)
        if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return ()
        cards = (_card(library, index) for index in range(min(count.value, _MOST_CARDS)))
        return tuple(card for card in cards if card is not None)


class _Memory(ctypes.Structure):
    """``nvmlMemory_t``: bytes in all, free, used."""

    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


@cache
def _library() -> Any:  # noqa: ANN401 – what ctypes loads has no type
    """Return the driver's library, opened once for this process; ``None`` without one."""
    for name in _LIBRARIES:
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(name)
            if library.nvmlInit_v2() == 0:
                return library
    return None


def _card(library: Any, index: int) -> GpuMemory | None:  # noqa: ANN401 – as above
    handle, memory = ctypes.c_void_p(), _Memory()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    if library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)) != 0:
        return None
    if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) != 0:
        return None
    library.nvmlDeviceGetName(handle, name, ctypes.c_uint(_NAME_BYTES))
    return GpuMemory(
        index=index,
        name=name.value.decode("utf-8", errors="replace"),
        total_mb=memory.total / _MB,
        used_mb=memory.used / _MB,
        free_mb=memory.free / _MB,
    )
