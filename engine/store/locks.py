"""One writer at a time, among threads and among processes.

A lock is a file held with ``flock``, which the kernel lets go when its process ends, however it
ends. ``flock`` is POSIX and **not reliable on network drives** (NFS, SMB): the records belong on a
local disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from engine.errors import BusyError, StoreError

__all__ = ["PATIENCE_S", "is_held_here", "locked", "try_locked"]

# How long a writer waits for another before it says so. A transaction takes milliseconds.
PATIENCE_S: Final = 60.0

_FIRST_PAUSE_S: Final = 0.0002
_LONGEST_PAUSE_S: Final = 0.005


class _Held(threading.local):
    def __init__(self) -> None:
        self.paths: set[str] = set()


_held_here = _Held()
_threads: dict[str, threading.Lock] = {}
_guard = threading.Lock()


def _forget_after_fork() -> None:
    """Start anew in a forked child: the threads that held these locks are not in it."""
    global _guard, _held_here
    _guard = threading.Lock()
    _held_here = _Held()
    _threads.clear()


os.register_at_fork(after_in_child=_forget_after_fork)


def is_held_here(path: Path) -> bool:
    """Whether the calling thread holds the lock file ``path``."""
    return os.fspath(path) in _held_here.paths


@contextmanager
def locked(path: Path, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the lock file ``path``, waiting for whoever has it.

    Raises
    ------
    BusyError
        When it was not free for ``patience_s`` seconds.
    StoreError
        When the file system knows no such locks.
    """
    deadline = time.monotonic() + patience_s
    turn = _turn(path)
    if not turn.acquire(timeout=patience_s):
        raise _busy(path, patience_s)
    try:
        with _file_locked(path, deadline=deadline, patience_s=patience_s):
            yield
    finally:
        turn.release()


@contextmanager
def try_locked(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path`` if it is free now; give whether it is held."""
    turn = _turn(path)
    if not turn.acquire(blocking=False):
        yield False
        return
    try:
        with _file_locked(path, deadline=0.0, patience_s=0.0):
            yield True
    except _TakenError:
        yield False
    finally:
        turn.release()


class _TakenError(BusyError):
    """Another process has the lock."""


def _turn(path: Path) -> threading.Lock:
    with _guard:
        return _threads.setdefault(os.fspath(path), threading.Lock())


@contextmanager
def _file_locked(path: Path, *, deadline: float, patience_s: float) -> Iterator[None]:
    # Opened anew each time: a descriptor that a forked child shares would share the lock, too.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for(descriptor, path, deadline=deadline, patience_s=patience_s)
        _held_here.paths.add(os.fspath(path))
        try:
            yield
        finally:
            _held_here.paths.discard(os.fspath(path))
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        with suppress(OSError):
            os.close(descriptor)


def _wait_for(descriptor: int, path: Path, *, deadline: float, patience_s: float) -> None:
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise _busy(path, patience_s) from None
        except OSError as error:
            raise _no_locks(path, error) from error
        else:
            return
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)


def _busy(path: Path, patience_s: float) -> BusyError:
    return _TakenError(
        f"{path.name} was held by another program for {patience_s:.0f} s; a transaction takes "
        f"milliseconds, so one of them hangs. Try again, or end the program that hangs."
    )


def _no_locks(path: Path, error: OSError) -> StoreError:
    what = os.strerror(error.errno) if error.errno else errno.errorcode.get(0, "unknown")
    return StoreError(
        f"Expected a file system with file locks at {path.parent}, but {what.lower()}; "
        f"put LIGHTBOX_HOME on a local disk."
    )
