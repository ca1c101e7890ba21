"""The control groups around this process that limit its memory, versions 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, final

from engine.memory_guard.kernel_files import lines, number, table, unescaped

__all__ = ["Group", "MemorySource", "groups"]

MemorySource = Literal["cgroup v2", "cgroup v1", "system"]
"""Where a figure comes from."""

_NO_LIMIT = 1 << 60  # version 1 writes a number near 2⁶³ for "no limit"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One control group with a limit, in bytes; ``used`` without file pages that can be dropped."""

    limit: int
    used: int
    swap_free: int | None
    source: MemorySource


def groups(root: Path) -> Iterator[Group]:
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
    for line in lines(root / "proc" / "self" / "cgroup"):
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
    for line in lines(root / "proc" / "self" / "mountinfo"):
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
        folder = root / unescaped(fields[4]).lstrip("/")
        yield _Mount(folder=folder, top=PurePosixPath(unescaped(fields[3])), source=source)


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


def _read_v2(folder: Path) -> Group | None:
    # Above memory.high the kernel slows a group down until it stands still: as good as a limit.
    limits = [number(folder / name) for name in ("memory.max", "memory.high")]
    used = number(folder / "memory.current")
    known = [limit for limit in limits if limit is not None]
    if not known or used is None:
        return None
    swap_max, swap_used = (number(folder / f"memory.swap.{n}") for n in ("max", "current"))
    return Group(
        limit=min(known),
        used=used - table(folder / "memory.stat").get("inactive_file", 0),
        swap_free=None if swap_max is None else swap_max - (swap_used or 0),
        source="cgroup v2",
    )


def _read_v1(folder: Path) -> Group | None:
    limit = number(folder / "memory.limit_in_bytes")
    used = number(folder / "memory.usage_in_bytes")
    if limit is None or limit >= _NO_LIMIT or used is None:
        return None
    droppable = table(folder / "memory.stat").get("total_inactive_file", 0)
    return Group(limit=limit, used=used - droppable, swap_free=None, source="cgroup v1")
