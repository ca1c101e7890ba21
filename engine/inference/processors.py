"""How many processor cores this process may really use. Knows no model and no library."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

__all__ = ["CoreQuota", "core_quota", "usable_cores"]

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CoreQuota:
    """The tightest CPU limit around this process: so many cores, set by the group ``folder``."""

    cores: float
    folder: Path


def usable_cores(
    *, cgroup_root: Path = _CGROUP_ROOT, own_cgroup: Path = _OWN_CGROUP, affinity: int | None = None
) -> int:
    """Return the number of cores for computing threads, at least 1.

    The smaller of the cores that the scheduler lets us run on and the container's CPU quota
    (cgroup v2 ``cpu.max``, else v1 ``cpu.cfs_quota_us``), rounded down: a thread beyond the
    quota makes all of them wait for the next period. ``affinity`` replaces the scheduler's count.

    References
    ----------
    Linux kernel, Documentation/admin-guide/cgroup-v2.rst, "cpu.max".
    """
    allowed = _scheduler_cores() if affinity is None else affinity
    quota = core_quota(cgroup_root=cgroup_root, own_cgroup=own_cgroup)
    return max(1, allowed if quota is None else min(allowed, math.floor(quota.cores)))


def core_quota(
    *, cgroup_root: Path = _CGROUP_ROOT, own_cgroup: Path = _OWN_CGROUP
) -> CoreQuota | None:
    """Return the container's CPU quota; None without one."""
    quotas = [
        CoreQuota(cores=cores, folder=folder)
        for folder in _cgroup_folders(cgroup_root, own_cgroup)
        if (cores := _quota_cores(folder)) is not None
    ]
    return min(quotas, key=lambda quota: quota.cores, default=None)


def _scheduler_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # absent on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cgroup_folders(root: Path, own_cgroup: Path) -> list[Path]:
    """Return the folders whose limits hold for us: our own group and all above it.

    Inside a container the root is usually our own group already.
    """
    folders = {root, root / "cpu", root / "cpu,cpuacct"}
    for line in _read(own_cgroup).splitlines():
        # hierarchy:controllers:path, where v2 has "0::/path" -> folder of each level
        parts = line.split(":", 2)
        if len(parts) != 3 or ".." in parts[2]:
            continue
        base = root / parts[1] if parts[1] else root
        below = base
        for level in Path(parts[2].lstrip("/")).parts:
            below = below / level
            folders.add(below)
    return sorted(folders)


def _quota_cores(folder: Path) -> float | None:
    """Return quota / period of one group in cores; ``None`` where it sets no limit."""
    maximum = _read(folder / "cpu.max").split()
    if len(maximum) == 2:
        quota, period = maximum
    else:
        quota = _read(folder / "cpu.cfs_quota_us").strip()
        period = _read(folder / "cpu.cfs_period_us").strip()
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", an empty file, or no file
        return None
    return cores if cores > 0 else None  # v1 writes -1 for "no limit"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
