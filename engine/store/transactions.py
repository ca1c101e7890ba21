"""Changes to a collection that happen together or not at all."""

from __future__ import annotations

from collections.abc import Mapping
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

    __slots__ = ("_base", "_changes", "_is_replaced", "_is_touched", "_lines", "_open", "codec")

    def __init__(self, base: Snapshot[R], codec: Codec[R]) -> None:
        self._base = base
        self.codec = codec
        self._lines: dict[str, bytes] | None = None
        self._changes: dict[str, R | None] = {}
        self._is_touched = False
        self._is_replaced = False
        self._open = True

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, name: object) -> bool:
        return name in self.lines

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
        if name in self._changes:
            return self._changes[name]
        return None if self._is_replaced else self._base.get(name)

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
        raw = self.codec.encode(record)
        line = line_of(record.id, raw)
        stored = self.codec.decode(record.id, raw)  # what cannot be read is never written
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
        self.replace({})

    @property
    def lines(self) -> Mapping[str, bytes]:
        """The lines of the file by id, as they would be written now."""
        return self._base.lines if self._lines is None else self._lines

    def replace(self, lines: Mapping[str, bytes]) -> None:
        """Put the whole content of another version in place of this one's."""
        self._require_open()
        self._lines = dict(lines)
        self._is_replaced = True
        wanted = self._base.next(self._lines, self._base.decoded_as(self._lines))
        self._changes = {record.id: record for record in wanted}  # decoded, so it can be read

    @property
    def is_older(self) -> bool:
        """Whether the file has an older form than what is read from it."""
        return self._base.stored_schema < self._base.schema

    def touch(self) -> None:
        """Write a new version even if no record was changed, in the present stored form."""
        self._is_touched = True

    def close(self) -> None:
        """Refuse further changes: the ``with`` block has ended."""
        self._open = False

    def outcome(self) -> Snapshot[R] | None:
        """Return the next version, or ``None`` when it would be as the one before."""
        base = self._base
        lines = self.lines
        if not self._is_touched and (lines is base.lines or lines == base.lines):
            return None
        records = {} if self._is_replaced else base.decoded()
        for name, record in self._changes.items():
            if record is None:
                records.pop(name, None)
            else:
                records[name] = record
        return base.next(lines, records)

    def _changed(self) -> dict[str, bytes]:
        if self._lines is None:
            self._lines = dict(self._base.lines)
        return self._lines

    def _require_open(self) -> None:
        if not self._open:
            raise RuntimeError("The transaction has ended; put and remove belong inside its block.")
