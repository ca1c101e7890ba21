"""The state to be saved, as of one moment, while others go on writing.

Versions of collections never change, so nobody waits: the versions that were present together are
kept open and copied at leisure. The audit log grows in place: its sizes are noted under its lock.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, final

from engine.backups.content import content_of, content_of_file
from engine.backups.packing import Readable
from engine.errors import BackupError, BusyError, StoreError
from engine.people.audit import AuditLog
from engine.store import Snapshot, Store
from engine.store.disk import Paths
from engine.store.intents import intent_path
from engine.store.layout import FIRST_LINE_BYTES

__all__ = ["Captured", "Part", "captured_audit", "captured_files", "captured_store"]

_PATIENCE_S = 30.0
_PAUSE_S = 0.002


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One member to be: its name, its size in bytes, and how to read it (once)."""

    name: str
    size: int
    open: Callable[[], Readable]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """All collections at one moment; counts and digests by collection."""

    parts: tuple[Part, ...]
    counts: dict[str, int]
    digests: dict[str, str]


def captured_store(store: Store) -> Captured:
    """Return all collections of an open store as they were at one moment.

    Raises
    ------
    DamagedStoreError
        When a collection is damaged; the sentence names it.
    """
    parts, counts, digests = [], {}, {}
    for name, snapshot in store.read().items():
        counts[name], digests[name] = content_of(snapshot.lines)
        size = sum(len(line) + 2 for line in snapshot.lines.values()) + FIRST_LINE_BYTES
        parts.append(Part(name=f"records/{name}.json", size=size, open=_content(snapshot)))
    return Captured(parts=tuple(parts), counts=counts, digests=digests)


@contextmanager
def captured_files(records: Path, *, are_whole: bool = True) -> Iterator[Captured]:
    """Give the collections' files below ``records`` as they are, without opening a store.

    For a store that cannot be opened yet (records of an older version) or any more
    (``are_whole`` false: damaged collections are saved as they are, and not counted).

    Raises
    ------
    BackupError
        When a file is damaged that should be whole.
    BusyError
        When writers gave no quiet moment for half a minute.
    """
    with ExitStack() as stack:
        streams = _opened_together(records, stack)
        parts, counts, digests = [], {}, {}
        for name, stream in streams.items():
            size = os.fstat(stream.fileno()).st_size
            try:
                counts[name], digests[name] = content_of_file(stream.read(), name=name)
            except BackupError:
                if are_whole:
                    raise
            stream.seek(0)
            parts.append(Part(name=f"records/{name}.json", size=size, open=_giver(stream)))
        yield Captured(parts=tuple(parts), counts=counts, digests=digests)


@contextmanager
def captured_audit(audit: AuditLog) -> Iterator[tuple[tuple[Part, ...], int]]:
    """Give the audit log up to its present end, with the key that seals it, and its lines' count.

    Segments only grow; key and anchor are replaced as a whole.
    """
    with ExitStack() as stack:
        with audit.frozen():
            streams = {path: stack.enter_context(path.open("rb")) for path in audit.files}
            sizes = {path: os.fstat(stream.fileno()).st_size for path, stream in streams.items()}
        parts, count = [], 0
        for path, stream in streams.items():
            start = _Start(stream, sizes[path])
            if path.suffix == ".jsonl":
                count += start.lines()
            name = f"{'audit' if path.suffix == '.jsonl' else 'secrets'}/{path.name}"
            parts.append(Part(name=name, size=sizes[path], open=_giver(start)))
        yield tuple(parts), count


def _opened_together(records: Path, stack: ExitStack) -> dict[str, BinaryIO]:
    """Open the current file of every collection, all of one moment."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        with ExitStack() as attempt:
            streams = {
                path.stem: attempt.enter_context(path.open("rb")) for path in _current(records)
            }
            # In this order: no change of several collections is under way, and since all were
            # opened none has taken place. An open file keeps its inode's number from others.
            is_quiet = not intent_path(records).exists() and all(
                _is_still(stream, Paths(records, name).current) for name, stream in streams.items()
            )
            if is_quiet and {path.stem for path in _current(records)} == set(streams):
                stack.enter_context(attempt.pop_all())
                return dict(streams)
        if time.monotonic() > until:
            raise BusyError(
                f"Expected a moment without a change in {records}, but there was none for "
                f"{_PATIENCE_S:.0f} s; try again when less is going on."
            )
        time.sleep(_PAUSE_S)


def _current(records: Path) -> list[Path]:
    """Return the current files: neither earlier versions nor what is not in place yet."""
    try:
        return sorted(path for path in records.glob("*.json") if path.name.count(".") == 1)
    except OSError as problem:
        raise StoreError(
            f"Expected the records at {records}, but they cannot be listed ({problem.strerror}); "
            "give the folder back to the user that runs Lightbox."
        ) from problem


def _is_still(stream: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _content(snapshot: Snapshot[Any]) -> Callable[[], Readable]:
    """Return what writes one version as a file; only one at a time is held in memory."""
    return lambda: io.BytesIO(snapshot.content())


def _giver(stream: Readable) -> Callable[[], Readable]:
    return lambda: stream


@final
class _Start:
    """The first ``size`` bytes of a file that grows."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._size = stream, size

    def read(self, count: int) -> bytes:
        """Return the next bytes, at most ``count``; none at the end."""
        return self._stream.read(min(count, self._size - self._stream.tell()))

    def lines(self) -> int:
        """Return the number of lines, and begin again."""
        count = 0
        while chunk := self.read(1 << 20):
            count += chunk.count(b"\n")
        self._stream.seek(0)
        return count
