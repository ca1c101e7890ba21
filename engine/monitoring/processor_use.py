"""How busy the processor is, of what this container may use of it.

Sources: the kernel's documents ``admin-guide/cgroup-v2.rst`` (``cpu.stat``),
``admin-guide/cgroup-v1/cpuacct.rst``, and ``proc(5)`` for ``/proc/stat``.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, final

import psutil

from engine.inference.processors import CoreQuota, core_quota

__all__ = ["ProcessorMeter", "ProcessorUse"]

Source = Literal["machine", "cgroup quota"]

_FIRST_WAIT_S: Final = 0.1
_SHORTEST_S: Final = 0.05


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorUse:
    """``percent`` (0..100) of ``cores`` that were busy since the last question."""

    percent: float
    cores: float
    source: Source


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Counters at one moment, in seconds; ``group_s`` is CPU time that the limited group took."""

    at: float
    busy_s: float
    all_s: float
    group_s: float | None


@final
class ProcessorMeter:
    """Tells use between two questions; the machine's, or that of a quota where it is tighter.

    ``root`` is the root of the file system with ``proc`` and ``sys``. Not safe from several
    threads at once.
    """

    def __init__(self, *, root: Path = Path("/")) -> None:
        self._groups = root / "sys" / "fs" / "cgroup"
        self._own = root / "proc" / "self" / "cgroup"
        self._last: _Reading | None = None
        self._told = ProcessorUse(percent=0.0, cores=1.0, source="machine")

    def use(self) -> ProcessorUse:
        """Return the use since the last call; the first call waits 0.1 s to have two readings."""
        quota = core_quota(cgroup_root=self._groups, own_cgroup=self._own)
        if self._last is None:
            self._last = self._read(quota)
            time.sleep(_FIRST_WAIT_S)
        before, now = self._last, self._read(quota)
        if now.at - before.at < _SHORTEST_S:  # counters move in steps of 10 ms
            return self._told
        self._last = now
        self._told = _use_between(before, now, quota)
        return self._told

    def _read(self, quota: CoreQuota | None) -> _Reading:
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # guest time is already in user time
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return _Reading(
            at=time.monotonic(),
            busy_s=total - idle,
            all_s=total,
            group_s=None if quota is None else _group_seconds(quota.folder, self._groups),
        )


def _use_between(before: _Reading, now: _Reading, quota: CoreQuota | None) -> ProcessorUse:
    passed = now.all_s - before.all_s
    share = (now.busy_s - before.busy_s) / passed if passed > 0 else 0.0
    machine = ProcessorUse(
        percent=_percent(share), cores=float(psutil.cpu_count() or 1), source="machine"
    )
    if quota is None or now.group_s is None or before.group_s is None:
        return machine
    taken = (now.group_s - before.group_s) / (now.at - before.at) / quota.cores
    limited = ProcessorUse(percent=_percent(taken), cores=quota.cores, source="cgroup quota")
    # A quota as large as the machine limits nothing.
    return limited if quota.cores < machine.cores else max(limited, machine, key=_by_percent)


def _by_percent(use: ProcessorUse) -> float:
    return use.percent


def _percent(share: float) -> float:
    return min(100.0, max(0.0, 100.0 * share))


def _group_seconds(folder: Path, root: Path) -> float | None:
    """Return the CPU time of a group in seconds; None where the kernel does not tell it."""
    found = re.search(r"^usage_usec (\d+)", _text(folder / "cpu.stat"), re.M)
    if found:
        return int(found.group(1)) / 1e6
    # Version 1 counts in a hierarchy of its own, which may lie beside that of the limit.
    below = folder.relative_to(root).parts
    for place in (folder, root.joinpath("cpuacct", *below[1:])):
        text = _text(place / "cpuacct.usage").strip()
        if text.isdigit():
            return int(text) / 1e9
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
