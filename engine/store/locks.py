"""One writer at a time, among threads and among processes.

A lock is a file held with ``flock``, which the kernel lets go when its process ends, however it
ends. ``flock`` is POSIX and **not reliable on network drives** (NFS, SMB): the records belong on a
local disk.

Who has just had the lock may take it again some times in a row: it is warm, and the others would
read what it wrote. Then it has to queue behind them, so nobody waits for long.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine.errors import BusyError, StoreError
from engine.store.disk import told_failures

__all__ = ["PATIENCE_S", "is_held_here", "locked", "try_locked"]

# How long a writer waits for another before it says so. A transaction takes milliseconds.
PATIENCE_S: Final = 60.0

_IN_A_ROW: Final = 6
_FIRST_PAUSE_S: Final = 0.0002
_LONGEST_PAUSE_S: Final = 0.003


class _Turn:
    """Among the threads of this process, whose turn it is to ask for a lock file."""

    __slots__ = ("in_a_row", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.in_a_row = 0


class _Held(threading.local):
    def __init__(self) -> None:
        self.paths: set[str] = set()


_held_here = _Held()
_turns: dict[str, _Turn] = {}
_guard = threading.Lock()


def _forget_after_fork() -> None:
    """Start anew in a forked child: the threads that held these locks are not in it."""
    global _guard, _held_here
    _guard = threading.Lock()
    _held_here = _Held()
    _turns.clear()


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
    if not turn.lock.acquire(timeout=patience_s):
        raise _busy(path, patience_s)
    try:
        with _opened(path) as descriptor:
            if turn.in_a_row < _IN_A_ROW and _take(descriptor, path):
                turn.in_a_row += 1
            else:
                _queue_for(descriptor, path, deadline=deadline, patience_s=patience_s)
                turn.in_a_row = 0
            with _noted(descriptor, path):
                yield
    finally:
        turn.lock.release()


@contextmanager
def try_locked(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path`` if it is free now; give whether it is held."""
    turn = _turn(path)
    if not turn.lock.acquire(blocking=False):
        yield False
        return
    try:
        with _opened(path) as descriptor:
            if not _take(descriptor, path):
                yield False
                return
            with _noted(descriptor, path):
                yield True
    finally:
        turn.lock.release()


def _turn(path: Path) -> _Turn:
    with _guard:
        return _turns.setdefault(os.fspath(path), _Turn())


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    # Opened anew each time: a descriptor that a forked child shares would share the lock, too.
    with told_failures(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _noted(descriptor: int, path: Path) -> Iterator[None]:
    """Remember in this thread that the lock is held, and let it go at the end."""
    _held_here.paths.add(os.fspath(path))
    try:
        yield
    finally:
        _held_here.paths.discard(os.fspath(path))
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _queue_for(descriptor: int, path: Path, *, deadline: float, patience_s: float) -> None:
    """Take the lock after those who waited before: one at a time waits for it, the first."""
    with _opened(path.with_name(f"{path.name}-queue")) as place:
        _wait_for(place, path, deadline=deadline, patience_s=patience_s)
        _wait_for(descriptor, path, deadline=deadline, patience_s=patience_s)


def _wait_for(descriptor: int, path: Path, *, deadline: float, patience_s: float) -> None:
    pause_s = _FIRST_PAUSE_S
    while not _take(descriptor, path):
        if time.monotonic() >= deadline:
            raise _busy(path, patience_s)
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)


def _take(descriptor: int, path: Path) -> bool:
    """Take a lock if it is free; return whether it was."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StoreError(
            f"Expected a file system with file locks at {path.parent}, but it answered "
            f"{error.strerror!r}; put LIGHTBOX_HOME on a local disk."
        ) from error
    return True


def _busy(path: Path, patience_s: float) -> BusyError:
    return BusyError(
        f"{path.name} was held by another program for {patience_s:.0f} s; a transaction takes "
        f"milliseconds, so one of them hangs. Try again, or end the program that hangs."
    )
