"""How much memory is free as the container sees it, and a clear error before it runs out.

A container's limit is in its control group, not in the machine's figures: psutil on a 4 GB
container of a 64 GB host says 60 GB. Sources: the kernel's documents ``admin-guide/cgroup-v2.rst``
and ``admin-guide/cgroup-v1/memory.rst``; ``proc(5)`` for ``mountinfo``. MB are 10⁶ bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, final

import psutil

from engine.errors import MemoryShortError
from engine.imaging.headers import Header

__all__ = [
    "DEFAULT_FLOOR_MB",
    "MemoryGuard",
    "MemorySource",
    "MemoryState",
    "forecast_arrays_mb",
    "forecast_decode_mb",
    "free_memory_mb",
]

MemorySource = Literal["cgroup v2", "cgroup v1", "system"]

DEFAULT_FLOOR_MB = 500
"""Memory that stays free during every step: enough to answer, to log and to shut down."""

_MB = 1_000_000
_NO_LIMIT = 1 << 60  # version 1 writes a number near 2⁶³ for "no limit"


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


@final
class MemoryGuard:
    """Refuses a step that would leave less than ``floor_mb`` free.

    ``read`` tells the present state; tests hand in their own.
    """

    def __init__(
        self,
        floor_mb: float = DEFAULT_FLOOR_MB,
        read: Callable[[], MemoryState] | None = None,
    ) -> None:
        self.floor_mb = floor_mb
        self._read = read or free_memory_mb

    def state(self) -> MemoryState:
        """Return the memory at this moment."""
        return self._read()

    def has_room(self, need_mb: float) -> bool:
        """Tell whether ``need_mb`` more would leave the floor free."""
        return self._read().available_mb - need_mb >= self.floor_mb

    def require(self, need_mb: float, *, what: str) -> MemoryState:
        """Return the state when ``need_mb`` more fits; ``what`` names the step in the message.

        During a long step, ``require(0, what=…)`` asks whether the floor still holds.

        Raises
        ------
        MemoryShortError
            When less than the floor would stay free.
        """
        state = self._read()
        if state.available_mb - need_mb >= self.floor_mb:
            return state
        raise MemoryShortError(
            f"Too little memory for {what}: it needs about {need_mb:.0f} MB and "
            f"{self.floor_mb:.0f} MB must stay free, but only {state.available_mb:.0f} MB of "
            f"{state.total_mb:.0f} MB are free ({state.source}). Send something smaller, wait for "
            "other work to end, or give the program more memory."
        )


def free_memory_mb(*, root: Path = Path("/")) -> MemoryState:
    """Read the memory of the machine and of all control groups around this process.

    Pages of files that were not used lately (``inactive_file``) count as free, because the kernel
    drops them before it refuses memory. Nested groups: the tightest one counts. ``root`` is the
    root of the file system with ``proc`` and ``sys``.
    """
    total, available, swap_free = _machine(root)
    source: MemorySource = "system"
    limit: int | None = None
    for group in _groups(root):
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


# --- forecasts ---------------------------------------------------------------------------------

# Bytes per pixel at the peak of decoding, file not counted; measured by the tests in a process
# of its own, rounded up.
_PLAIN_BYTES = {"jpeg": 8, "png": 12, "webp": 32}
_OTHER_BYTES = 20


def forecast_decode_mb(header: Header) -> float:
    """Return how much memory decoding a picture takes at its peak, from its header alone."""
    plain = _PLAIN_BYTES.get(header.kind, _OTHER_BYTES)
    each = max(plain, _OTHER_BYTES) if header.has_profile or header.has_palette else plain
    depth = max(1, header.bits // 8)  # 16 bits: two bytes for each sample, until scaled
    return header.pixels * (each + 2 * header.channels * (depth - 1)) / _MB


def forecast_arrays_mb(*shapes: tuple[int, ...], itemsize: int, copies: int = 1) -> float:
    """Return the size of arrays of ``itemsize`` bytes per element, all held at once.

    >>> forecast_arrays_mb((1000, 1000, 3), itemsize=4, copies=2)
    24.0
    """
    elements = 0
    for shape in shapes:
        count = 1
        for side in shape:
            count *= side
        elements += count
    return elements * itemsize * copies / _MB


# --- the machine -------------------------------------------------------------------------------


def _machine(root: Path) -> tuple[int, int, int]:
    """Return total, available and free swap of the machine in bytes."""
    figures = _table(root / "proc" / "meminfo")
    if "MemTotal" in figures and "MemAvailable" in figures:
        parts = (figures["MemTotal"], figures["MemAvailable"], figures.get("SwapFree", 0))
        return parts[0] * 1024, parts[1] * 1024, parts[2] * 1024  # meminfo counts KiB
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()  # other systems than Linux
    return int(memory.total), int(memory.available), int(swap.free)


# --- control groups ----------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """One control group with a limit, in bytes; ``used`` without file pages that can be dropped."""

    limit: int
    used: int
    swap_free: int | None
    source: MemorySource


def _groups(root: Path) -> Iterator[_Group]:
    """Yield each limited group from this process's own up to the outermost that is visible."""
    paths = _own_paths(root)
    for mount in _mounts(root):
        if mount.source not in paths:
            continue
        read = _read_v2 if mount.source == "cgroup v2" else _read_v1
        for folder in _upwards(mount, paths[mount.source]):
            group = read(folder)
            if group is not None:
                yield group


def _own_paths(root: Path) -> dict[MemorySource, PurePosixPath]:
    """Return this process's group in each hierarchy, from ``/proc/self/cgroup``."""
    paths: dict[MemorySource, PurePosixPath] = {}
    for line in _lines(root / "proc" / "self" / "cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            paths["cgroup v2"] = PurePosixPath(path)
        elif "memory" in controllers.split(","):
            paths["cgroup v1"] = PurePosixPath(path)
    return paths


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Mount:
    """Where a hierarchy is mounted: group ``top`` appears as ``folder``."""

    folder: Path
    top: PurePosixPath
    source: MemorySource


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _lines(root / "proc" / "self" / "mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if len(fields) < 5 or len(kinds) < 3:
            continue
        source: MemorySource
        if kinds[0] == "cgroup2":
            source = "cgroup v2"
        elif kinds[0] == "cgroup" and "memory" in kinds[2].split(","):
            source = "cgroup v1"
        else:
            continue
        folder = root / _unescaped(fields[4]).lstrip("/")
        yield _Mount(folder=folder, top=PurePosixPath(_unescaped(fields[3])), source=source)


def _upwards(mount: _Mount, path: PurePosixPath) -> Iterator[Path]:
    """Yield folders from the group ``path`` up to the mount itself."""
    try:
        parts = path.relative_to(mount.top).parts
    except ValueError:  # the group lies outside what is mounted: its namespace begins here
        parts = ()
    if ".." in parts:
        parts = ()
    for depth in range(len(parts), -1, -1):
        yield mount.folder.joinpath(*parts[:depth])


def _read_v2(folder: Path) -> _Group | None:
    # Above memory.high the kernel slows a group down until it stands still: as good as a limit.
    limits = [_number(folder / name) for name in ("memory.max", "memory.high")]
    used = _number(folder / "memory.current")
    known = [limit for limit in limits if limit is not None]
    if not known or used is None:
        return None
    swap_max, swap_used = (_number(folder / f"memory.swap.{n}") for n in ("max", "current"))
    return _Group(
        limit=min(known),
        used=used - _table(folder / "memory.stat").get("inactive_file", 0),
        swap_free=None if swap_max is None else swap_max - (swap_used or 0),
        source="cgroup v2",
    )


def _read_v1(folder: Path) -> _Group | None:
    limit = _number(folder / "memory.limit_in_bytes")
    used = _number(folder / "memory.usage_in_bytes")
    if limit is None or limit >= _NO_LIMIT or used is None:
        return None
    droppable = _table(folder / "memory.stat").get("total_inactive_file", 0)
    return _Group(limit=limit, used=used - droppable, swap_free=None, source="cgroup v1")


# --- small files of the kernel ------------------------------------------------------------------


def _lines(path: Path) -> list[str]:
    """Return the lines of a kernel file; none when there is no such file or no right to read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    """Return the number in a file; None for ``max``, and when there is no such file."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _table(path: Path) -> dict[str, int]:
    """Return lines such as ``inactive_file 4096`` and ``MemTotal: 12 kB`` as a mapping."""
    rows = (re.match(r"([\w()]+):?\s+(\d+)", line) for line in _lines(path))
    return {row.group(1): int(row.group(2)) for row in rows if row}


def _unescaped(text: str) -> str:
    r"""Undo the octal escapes of mountinfo: ``\040`` is a space."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)
