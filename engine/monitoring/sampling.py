"""Takes one sample: asks the kernel, the disk and the queue, each allowed to fail alone."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, final

from engine.errors import LightboxError
from engine.memory_guard import free_memory_mb
from engine.monitoring.figures import Figures, GpuFigures
from engine.monitoring.process_memory import ProcessMeter
from engine.monitoring.processor_use import ProcessorMeter
from engine.monitoring.sources import Sources

__all__ = ["Sampler"]

_MB: Final = 1_000_000
_GPU_EVERY_S: Final = 30.0
_log = logging.getLogger(__name__)


@final
class Sampler:
    """Reads figures of this process and its container; safe from several threads."""

    def __init__(self, sources: Sources, clock: Callable[[], float] = time.time) -> None:
        self.sources = sources
        self._clock = clock
        self._lock = threading.Lock()
        self._processor = ProcessorMeter()
        self._processes = ProcessMeter()
        self._gpus = _GpuMeter()
        self._told_fault = ""

    def sample(self) -> Figures:
        """Return the figures of this moment."""
        with self._lock:
            memory = free_memory_mb()
            processor = self._processor.use()
            family = self._processes.read()
            disk = shutil.disk_usage(_existing(self.sources.settings.home))
            jobs, oldest_s = self._queue()
            return Figures(
                at=self._clock(),
                cpu_percent=processor.percent,
                cpu_cores=processor.cores,
                cpu_source=processor.source,
                memory_total_mb=memory.total_mb,
                memory_free_mb=memory.available_mb,
                memory_floor_mb=float(self.sources.settings.memory_floor_mb),
                memory_source=memory.source,
                swap_free_mb=memory.swap_free_mb,
                disk_total_mb=disk.total / _MB,
                disk_free_mb=disk.free / _MB,
                server_mb=family.own_mb,
                children_mb=family.children_mb,
                children=family.children,
                jobs=jobs,
                oldest_pending_s=oldest_s,
                gpus=self._gpus.read(),
            )

    def _queue(self) -> tuple[dict[str, int] | None, float | None]:
        """Return jobs by state and the oldest's wait; (None, None) when the records fail us."""
        try:
            queue = self.sources.queue()
            counts = {str(state): number for state, number in queue.counts().items()}
            self._told_fault = ""
            return counts, queue.oldest_pending_age_s() if counts["pending"] else None
        except LightboxError:
            return None, None  # the part "store" says why
        except Exception as error:  # noqa: BLE001 – it is logged; the other figures are still true
            if self._told_fault != repr(error):  # once, and not every five seconds
                self._told_fault = repr(error)
                _log.exception("the queue could not be counted")
            return None, None


@final
class _GpuMeter:
    """Asks for GPUs twice a minute at most, and never again where there is none."""

    def __init__(self) -> None:
        self._told: tuple[GpuFigures, ...] = ()
        self._next = 0.0
        self._is_absent = False

    def read(self) -> tuple[GpuFigures, ...]:
        if self._is_absent or time.monotonic() < self._next:
            return self._told
        self._next = time.monotonic() + _GPU_EVERY_S
        from engine.memory_guard import gpu_memory

        found = gpu_memory()
        self._is_absent = not found
        self._told = tuple(
            GpuFigures(name=gpu.name, total_mb=gpu.total_mb, free_mb=gpu.free_mb) for gpu in found
        )
        return self._told


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
