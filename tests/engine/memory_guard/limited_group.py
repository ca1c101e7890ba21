"""A real control group with a memory limit, below this process's own; or a reason why not."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.memory_guard.control_groups import _mounts, _own_paths, _upwards

ROOT = Path("/")


@dataclass(frozen=True)
class LimitedGroup:
    """Processes join by writing their number into ``procs``."""

    folder: Path
    limit_mb: int
    version: str

    @property
    def enter(self) -> str:
        """A line of shell with which a process puts itself into the group."""
        return f"echo $$ > {self.folder / 'cgroup.procs'}"

    @property
    def processes(self) -> list[int]:
        """Numbers of the processes inside."""
        return [int(line) for line in (self.folder / "cgroup.procs").read_text().split()]


@contextlib.contextmanager
def limited_group(limit_mb: int) -> Iterator[LimitedGroup]:
    """Make a group, or skip the test where this machine does not let us."""
    made = _made(limit_mb)
    if made is None:
        pytest.skip("no control group with a memory limit can be made here")
    try:
        yield made
    finally:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for process in made.processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, 9)
            with contextlib.suppress(OSError):
                made.folder.rmdir()
                break
            time.sleep(0.05)


def _made(limit_mb: int) -> LimitedGroup | None:
    paths = _own_paths(ROOT)
    for mount in _mounts(ROOT):
        if mount.source not in paths:
            continue
        own = next(_upwards(mount, paths[mount.source]))
        folder = own / f"lightbox-test-{secrets.token_hex(4)}"
        name = "memory.max" if mount.source == "cgroup v2" else "memory.limit_in_bytes"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / name).write_text(str(limit_mb * 1_000_000))
            if not (folder / "memory.stat").exists():
                raise OSError("no memory controller")
        except OSError:
            folder.rmdir()
            continue
        return LimitedGroup(folder, limit_mb, mount.source)
    return None
