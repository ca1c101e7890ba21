"""Changes to a collection that happen together or not at all."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, final

from engine.errors import NotFoundError
from engine.store.codec import Codec
from engine.store.layout import line_of
from engine.store.records import Record
from engine.store.snapshots import Snapshot

__all__ = ["Transaction"]

R = TypeVar("R", bound=Record)


@final
class Transaction(Generic[R]):
    """A collection while its lock is held: reads see what was put before in the same transaction.

    Nothing is written before the ``with`` block ends; an exception in it leaves all as it was.
    """

    __slots__ = ("_base", "_changes", "_codec", "_is_touched", "_lines", "_open")

    def __init__(self, base: Snapshot[R], codec: Codec[R]) -> None:
        self._base = base
        self._codec = codec
        self._lines: dict[str, bytes] | None = None
        self._changes: dict[str, R | None] = {}
        self._is_touched = False
        self._open = True

    def __len__(self) -> int:
        return len(self._base) if self._lines is None else len(self._lines)

    def __contains__(self, name: object) -> bool:
        return name in (self._base.lines if self._lines is None else self._lines)

    def __getitem__(self, name: str) -> R:
        """Return the record with id ``name``; :class:`NotFoundError` when there is none."""
        record = self.get(name)
        if record is None:
            raise NotFoundError(
                f"There is no record {name[:128]!r} in {self._base.name}; it was removed "
                f"meanwhile. Look at the list again."
            )
        return record

    def get(self, name: str) -> R | None:
        """Return the record with id ``name``, or ``None``."""
        return self._changes[name] if name in self._changes else self._base.get(name)

    def values(self) -> tuple[R, ...]:
        """Return all records."""
        if self._lines is None:
            return self._base.values()
        return tuple(self[name] for name in self._lines)

    def where(self, **fields: Any) -> tuple[R, ...]:  # noqa: ANN401 – any field of the record
        """Return the records whose fields have these values."""
        if self._lines is None:
            return self._base.where(**fields)
        return tuple(
            record
            for record in self.values()
            if all(getattr(record, name) == value for name, value in fields.items())
        )

    def put(self, record: R) -> R:
        """Insert a record, or replace the one with its id; return it as it will be read.

        Raises
        ------
        TypeError, ValueError
            When it is of another kind, or its id or a field cannot be stored: a fault of the
            program.
        """
        self._require_open()
        raw = self._codec.encode(record)
        line = line_of(record.id, raw)
        stored = self._codec.decode(record.id, raw)  # what cannot be read is never written
        self._changed()[record.id] = line
        self._changes[record.id] = stored
        return stored

    def remove(self, name: str) -> bool:
        """Remove the record with id ``name``; return whether there was one."""
        self._require_open()
        if name not in self:
            return False
        del self._changed()[name]
        self._changes[name] = None
        return True

    def clear(self) -> None:
        """Remove all records."""
        for name in tuple(self._base.lines if self._lines is None else self._lines):
            self.remove(name)

    def touch(self) -> None:
        """Write a new version even if no record was changed, in the present stored form."""
        self._is_touched = True

    def close(self) -> None:
        """Refuse further changes: the ``with`` block has ended."""
        self._open = False

    def outcome(self) -> Snapshot[R] | None:
        """Return the next version, or ``None`` when it would be as the one before."""
        base = self._base
        lines = base.lines if self._lines is None else self._lines
        if not self._is_touched and (lines is base.lines or lines == base.lines):
            return None
        records = base.decoded()
        for name, record in self._changes.items():
            if record is None:
                records.pop(name, None)
            else:
                records[name] = record
        return Snapshot(
            name=base.name,
            version=base.version + 1,
            schema=base.schema,
            lines=lines,
            codec=self._codec,
            records=records,
        )

    def _changed(self) -> dict[str, bytes]:
        if self._lines is None:
            self._lines = dict(self._base.lines)
        return self._lines

    def _require_open(self) -> None:
        if not self._open:
            raise RuntimeError("The transaction has ended; put and remove belong inside its block.")
