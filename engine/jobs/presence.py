"""Which workers live: each has a heartbeat in a file and holds a lock for as long as it lives.

The kernel gives a lock back when its process ends, however it ends, so a dead worker is known at
once and no number of a process is mistaken for another's. A worker on another machine is known by
its heartbeat alone. ``flock`` is not reliable on network drives.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, final

from engine.jobs.folders import jobs_home, read_json, write_json
from engine.settings import Settings
from engine.store import now

__all__ = ["Presence", "WorkerSeen", "is_gone", "workers_seen"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeen:
    """A worker as others see it; ``jobs`` are the ids that it works on."""

    worker: str
    host: str
    process_id: int
    started_at: datetime
    seen_at: datetime
    is_alive: bool
    jobs: tuple[str, ...] = ()
    cores: int = 1


@final
class Presence:
    """Our own worker's place among the others: held as a context."""

    def __init__(self, settings: Settings, *, cores: int) -> None:
        self._folder = _folder(settings)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._host = socket.gethostname()
        self.worker = f"{_plain(self._host)}-{os.getpid()}-{secrets.token_hex(4)}"
        self._started_at = now()
        self._cores = cores
        self._lock = -1

    def __enter__(self) -> Self:
        """Take the lock and show the first heartbeat."""
        _sweep(self._folder)
        # Locked before it has its name: another worker that sweeps never sees it free.
        newborn = self._path(".new")
        self._lock = os.open(newborn, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        newborn.replace(self._path(".lock"))
        self.beat(())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Go: heartbeat first, so that nobody sees a living worker without a lock."""
        for suffix in (".json", ".lock"):
            self._path(suffix).unlink(missing_ok=True)
        os.close(self._lock)

    def beat(self, jobs: tuple[str, ...]) -> None:
        """Show that we live and what we work on; a full disk stops no worker."""
        with suppress(OSError):
            write_json(
                self._path(".json"),
                {
                    "worker": self.worker,
                    "host": self._host,
                    "process_id": os.getpid(),
                    "started_at": self._started_at.isoformat(),
                    "seen_at": now().isoformat(),
                    "jobs": list(jobs),
                    "cores": self._cores,
                },
            )

    def _path(self, suffix: str) -> Path:
        return self._folder / f"{self.worker}{suffix}"


def workers_seen(settings: Settings, *, limit_s: float = 15.0) -> tuple[WorkerSeen, ...]:
    """Return the workers that showed themselves, living ones first; none is no error."""
    found = []
    for path in sorted(_folder(settings).glob("*.json")):
        document = read_json(path)
        with suppress(KeyError, TypeError, ValueError):
            seen_at = datetime.fromisoformat(document["seen_at"])
            is_late = (now() - seen_at).total_seconds() > limit_s
            found.append(
                WorkerSeen(
                    worker=document["worker"],
                    host=document["host"],
                    process_id=int(document["process_id"]),
                    started_at=datetime.fromisoformat(document["started_at"]),
                    seen_at=seen_at,
                    is_alive=not is_late and not is_gone(settings, document["worker"]),
                    jobs=tuple(document["jobs"]),
                    cores=int(document["cores"]),
                )
            )
    return tuple(sorted(found, key=lambda seen: (not seen.is_alive, seen.started_at)))


def is_gone(settings: Settings, worker: str) -> bool:
    """Whether a worker of this machine has surely ended; False when nobody can tell from here."""
    if not worker.startswith(f"{_plain(socket.gethostname())}-"):
        return False
    lock = _folder(settings) / f"{worker}.lock"
    return not lock.exists() or _is_free(lock)


def _folder(settings: Settings) -> Path:
    return jobs_home(settings) / "workers"


def _plain(host: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in host)[:40] or "host"


def _is_free(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _sweep(folder: Path) -> None:
    """Remove what workers of this machine that were killed left behind."""
    own = f"{_plain(socket.gethostname())}-"
    for lock in folder.glob(f"{own}*.lock"):
        if _is_free(lock):
            lock.with_suffix(".json").unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
