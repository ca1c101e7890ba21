"""Transactions of several collections: the note that makes them happen wholly or not at all.

The new versions are written beside the present ones; then one file, the intent, names them all:
from that moment the transaction has happened. Then each is moved into place, and the intent is
removed. Whoever finds an intent whose writer has died finishes its moves first, so nobody sees
some of them done and others not.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import orjson

from engine.errors import BusyError
from engine.store.disk import Paths, put_in_place, sync_folder, told_failures, write_whole
from engine.store.identity import now
from engine.store.locks import PATIENCE_S, locked, try_locked

__all__ = [
    "alone",
    "announce",
    "await_settled",
    "carry_out",
    "concerns",
    "intent_path",
    "joint_lock",
    "settle",
]

_logger = logging.getLogger(__name__)
_PAUSE_S: Final = 0.0005


class _Open(threading.local):
    def __init__(self) -> None:
        self.folders: dict[str, str] = {}


_open_here = _Open()


def intent_path(folder: Path) -> Path:
    """Return where the intent of a folder of records lies while there is one."""
    return folder / ".intent.json"


def joint_lock(folder: Path) -> Path:
    """Return the lock of all transactions of several collections."""
    return folder / ".joint.lock"


@contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Refuse a transaction inside another one of the same thread: it could wait for itself."""
    key = str(folder)
    if key in _open_here.folders:
        raise RuntimeError(
            f"A transaction of {what} began inside one of {_open_here.folders[key]}; "
            f'change both in one: store.transaction("one", "other").'
        )
    _open_here.folders[key] = what
    try:
        yield
    finally:
        del _open_here.folders[key]


def concerns(folder: Path, name: str) -> bool:
    """Whether an intent is there and names the collection."""
    return name in _read(folder)


def await_settled(folder: Path, name: str) -> None:
    """Wait until no intent names the collection, finishing one whose writer has died.

    Raises
    ------
    BusyError
        When its writer lives and has not finished for a minute.
    """
    deadline = 0.0
    while concerns(folder, name):
        with try_locked(joint_lock(folder)) as is_ours:
            if is_ours:
                settle(folder)
                return
        deadline = deadline or time.monotonic() + PATIENCE_S
        if time.monotonic() > deadline:
            raise BusyError(
                f"A change of several collections has not ended for {PATIENCE_S:.0f} s; "
                f"end the program that hangs, then try again."
            )
        time.sleep(_PAUSE_S)


def announce(folder: Path, digests: Mapping[str, str]) -> None:
    """Make a transaction happen whose new versions lie beside; the caller holds all locks.

    ``digests`` are the SHA-256 of the new files by collection.
    """
    write_whole(intent_path(folder), orjson.dumps({"collections": dict(digests)}))


def settle(folder: Path) -> None:
    """Finish what a killed program intended; the caller holds the joint lock."""
    if not intent_path(folder).exists():
        return
    with ExitStack() as locks:
        for name in sorted(_read(folder)):
            locks.enter_context(locked(Paths(folder, name).lock))
        digests = _read(folder)
        torn = [name for name in sorted(digests) if _is_torn(Paths(folder, name), digests[name])]
        if not digests or torn:
            _call_off(folder, digests, torn)
        else:
            carry_out(folder, digests)
            _logger.warning("finished a change of %s that was cut off", ", ".join(sorted(digests)))


def carry_out(folder: Path, names: Iterable[str]) -> None:
    """Move the new versions of an announced transaction into place; the caller holds all locks."""
    for name in sorted(names):
        paths = Paths(folder, name)
        if paths.joint.exists():  # absent: moved before the program was killed
            put_in_place(paths, paths.joint)
    sync_folder(folder)
    with told_failures(intent_path(folder)), suppress(FileNotFoundError):
        intent_path(folder).unlink()


def _is_torn(paths: Paths, digest: str) -> bool:
    """Whether a version that waits for its move is not what was written: the disk lied."""
    try:
        return hashlib.sha256(paths.joint.read_bytes()).hexdigest() != digest
    except FileNotFoundError:
        return False


def _call_off(folder: Path, digests: Mapping[str, str], torn: list[str]) -> None:
    """Undo the moves of a transaction that cannot be finished, so that none of it is seen."""
    for name, digest in digests.items():
        paths = Paths(folder, name)
        if name in torn or paths.joint.exists():
            paths.joint.unlink(missing_ok=True)
            continue
        with suppress(FileNotFoundError):
            if hashlib.sha256(paths.current.read_bytes()).hexdigest() == digest:
                write_whole(paths.current, paths.previous.read_bytes())
    intent = intent_path(folder)
    intent.replace(folder / f"intent.damaged-{now():%Y%m%dT%H%M%S}.json")
    sync_folder(folder)
    _logger.error("a change of several collections was cut off and damaged (%s): undone", torn)


def _read(folder: Path) -> dict[str, str]:
    """Return the digests by collection of the intent; none when there is no (readable) one."""
    try:
        stored = orjson.loads(intent_path(folder).read_bytes())
        return {str(name): str(digest) for name, digest in stored["collections"].items()}
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return {}
