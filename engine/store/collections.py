"""One kind of record in one file: consistent reads, and transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar, final

from engine.errors import DamagedStoreError, NewerStoreError
from engine.store import intents
from engine.store.codec import codec_of
from engine.store.disk import Paths, put_in_place, sync_folder, write_aside
from engine.store.layout import TornError, peek, unpack
from engine.store.locks import locked
from engine.store.reading import FileVersion, damaged, is_unchanged, read_file, version_of
from engine.store.records import Record
from engine.store.schemas import ORIGINAL, Schema, migrated, require_known
from engine.store.snapshots import Snapshot
from engine.store.transactions import Transaction

__all__ = ["Collection"]

R = TypeVar("R", bound=Record)


@final
class Collection(Generic[R]):
    """The records of one kind. Safe to share among threads, and among processes by its file.

    Parameters
    ----------
    folder
        The folder of records; it exists.
    name
        Lower-case word that names the file.
    kind
        The class of the records.
    schema
        The versions of their stored form.
    """

    def __init__(
        self, folder: Path, name: str, kind: type[R], *, schema: Schema = ORIGINAL
    ) -> None:
        self.name = name
        self.folder = folder
        self.schema = schema
        self.paths = Paths(folder, name)
        self.codec = codec_of(kind)
        self._cached: tuple[FileVersion, Snapshot[R]] | None = None
        self._empty: Snapshot[R] = Snapshot(
            name=name, version=0, schema=schema.version, lines={}, codec=self.codec
        )

    def read(self) -> Snapshot[R]:
        """Return the present version: never half a transaction, not even of several collections.

        The same object as before while the file is the same.

        Raises
        ------
        DamagedStoreError
            When the file is torn, altered or gone; the message offers the last good version.
        NewerStoreError
            When a newer Lightbox has written it.
        """
        intents.await_settled(self.folder, self.name)
        return self.read_locked()

    @contextmanager
    def transaction(self) -> Iterator[Transaction[R]]:
        """Hold the lock of this collection, and write what was changed when the block ends.

        Returns after the disk has it. With an exception in the block, nothing is written.

        Raises
        ------
        DamagedStoreError, NewerStoreError
            As :meth:`read`.
        BusyError
            When another program has held the lock for a minute.
        DiskShortError
            When the new version does not fit on the disk; all is as it was.
        RuntimeError
            When the thread is in a transaction already: a fault of the program. Use
            ``store.transaction("one", "other")`` to change two collections.
        """
        with intents.alone(self.folder, self.name), self._locked():
            transaction = Transaction(self.read_locked(), self.codec)
            try:
                yield transaction
            finally:
                transaction.close()
            outcome = transaction.outcome()
            if outcome is not None:
                self.commit(outcome)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, when no transaction of several that died is in the way."""
        while True:
            with locked(self.paths.lock):
                if not intents.concerns(self.folder, self.name):
                    yield
                    return
            intents.await_settled(self.folder, self.name)

    def read_locked(self) -> Snapshot[R]:
        """Return the present version to somebody who holds the lock."""
        cached = self._cached
        if cached is not None and is_unchanged(self.paths.current, cached[0]):
            return cached[1]
        return self._load(None if cached is None else cached[1])

    def replaceable(self) -> Snapshot[R]:
        """Return what a restore replaces: the present version, or nothing where none is readable.

        The caller holds the lock. A file that cannot be read is kept aside.
        """
        try:
            return self.read_locked()
        except (DamagedStoreError, NewerStoreError):
            self.paths.set_aside()
            return self._empty

    def taken(self, content: bytes) -> dict[str, bytes]:
        """Return the lines of a file that was saved from this collection, in the present form.

        Raises
        ------
        DamagedStoreError
            When it is not whole, is of another collection, or a record in it cannot be read.
        NewerStoreError
            When a newer Lightbox has written it.
        """
        try:
            about, lines = unpack(content)
            if about.collection != self.name:
                raise TornError(f"it holds {about.collection}")
        except TornError as error:
            raise DamagedStoreError(
                f"The {self.name} that should be restored are damaged: {error}. Nothing was "
                f"changed; choose another backup."
            ) from error
        require_known(about.schema, self.schema, name=self.name)
        lines = migrated(lines, about.schema, self.schema)
        self._empty.next(lines, {}).values()
        return lines

    def is_older(self) -> bool:
        """Whether the file has an older form than the present one; reads its first line only.

        ``False`` for a file that is absent or whose first line is damaged: reading it tells.

        Raises
        ------
        NewerStoreError
            When a newer Lightbox has written it.
        """
        try:
            about = peek(version_of(self.paths.current).first)
        except (OSError, TornError):
            return False
        require_known(about.schema, self.schema, name=self.name)
        return about.schema < self.schema.version

    def _load(self, earlier: Snapshot[R] | None) -> Snapshot[R]:
        try:
            version, about, lines = read_file(self.paths.current)
        except FileNotFoundError:
            return self._absent()
        except TornError as error:
            raise damaged(self.paths, self.name, str(error)) from error
        if about.collection != self.name:
            raise damaged(self.paths, self.name, f"it holds {about.collection}")
        require_known(about.schema, self.schema, name=self.name)
        lines = migrated(lines, about.schema, self.schema)
        snapshot = Snapshot(
            name=self.name,
            version=about.version,
            schema=self.schema.version,
            stored_schema=about.schema,
            written_at=about.written_at,
            lines=lines,
            codec=self.codec,
            records=None if earlier is None else earlier.decoded_as(lines),
        )
        self._cached = version, snapshot
        return snapshot

    def _absent(self) -> Snapshot[R]:
        """Return the empty collection, if it was never written."""
        for path in (self.paths.previous, self.paths.kept):
            if path.exists():
                raise damaged(self.paths, self.name, "it is gone")
        return self._empty

    def commit(self, outcome: Snapshot[R]) -> None:
        """Write a version and put it in place; the caller holds the lock."""
        write_aside(self.paths.aside, outcome.parts())
        put_in_place(self.paths, self.paths.aside)
        sync_folder(self.folder)
        self.remember(outcome)

    def remember(self, snapshot: Snapshot[R]) -> None:
        """Take a version that was just put in place, under the lock, for the present one."""
        self._cached = version_of(self.paths.current), snapshot
