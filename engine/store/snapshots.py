"""One version of a collection, which never changes and may be shared by all threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar, final

from engine.errors import DamagedStoreError, NotFoundError
from engine.store.codec import Codec
from engine.store.documents import frozen
from engine.store.identity import now
from engine.store.layout import pack, raw_of
from engine.store.records import Record

__all__ = ["Snapshot"]

R = TypeVar("R", bound=Record)


@final
class Snapshot(Generic[R]):
    """The records of one version of a collection, in the order in which they were first put.

    A record is decoded when it is first asked for and handed on to later versions that did not
    change it. ``version`` is 0 for a collection that was never written; ``stored_schema`` is less
    than ``schema`` while the file has an older form than what is read from it.
    """

    __slots__ = (
        *("_all", "_codec", "_indexes", "_records"),
        *("lines", "name", "schema", "stored_schema", "version", "written_at"),
    )

    def __init__(
        self,
        *,
        name: str,
        version: int,
        schema: int,
        lines: Mapping[str, bytes],
        codec: Codec[R],
        stored_schema: int | None = None,
        written_at: datetime | None = None,
        records: dict[str, R] | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.schema = schema
        self.stored_schema = schema if stored_schema is None else stored_schema
        self.written_at = written_at or now()
        self.lines = lines
        self._codec = codec
        self._records = {} if records is None else records
        self._all: tuple[R, ...] | None = None
        self._indexes: dict[str, dict[object, tuple[R, ...]]] = {}

    def __repr__(self) -> str:
        return f"<Snapshot of {self.name}, version {self.version}, {len(self.lines)} records>"

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, name: object) -> bool:
        return name in self.lines

    def __iter__(self) -> Iterator[R]:
        return iter(self.values())

    def __getitem__(self, name: str) -> R:
        """Return the record with id ``name``.

        Raises
        ------
        NotFoundError
            When there is none.
        """
        record = self.get(name)
        if record is None:
            raise NotFoundError(
                f"There is no record {name[:128]!r} in {self.name}; it was removed, or the "
                f"address is wrong. Choose one from the list."
            )
        return record

    def get(self, name: str) -> R | None:
        """Return the record with id ``name``, or ``None``."""
        record = self._records.get(name)
        if record is None:
            line = self.lines.get(name)
            if line is None:
                return None
            record = self._records[name] = self._decode(name, line)
        return record

    def values(self) -> tuple[R, ...]:
        """Return all records."""
        if self._all is None:
            records = self._records
            self._all = tuple(
                [records.get(name) or self[name] for name in self.lines]  # a record is never false
            )
        return self._all

    def where(self, **fields: Any) -> tuple[R, ...]:  # noqa: ANN401 – any field of the record
        """Return the records whose fields have these values; all of them without any.

        Raises
        ------
        AttributeError
            When the record has no such field: a fault of the program.
        """
        if not fields:
            return self.values()
        (name, value), *rest = fields.items()
        found = self._by(name, value)
        return (
            tuple(r for r in found if all(getattr(r, k) == v for k, v in rest)) if rest else found
        )

    def _by(self, field: str, value: object) -> tuple[R, ...]:
        index = self._indexes.get(field)
        if index is None:
            index = self._indexes[field] = self._index(field)
        # A plain dict or list has no hash; as stored, it has.
        return index.get(frozen(value), ())

    def _index(self, field: str) -> dict[object, tuple[R, ...]]:
        groups: dict[object, list[R]] = {}
        for record in self.values():
            groups.setdefault(getattr(record, field), []).append(record)
        if not groups and field not in self._codec.kind.__dataclass_fields__:
            raise AttributeError(f"A {self._codec.kind.__name__} has no field {field!r}.")
        return {value: tuple(records) for value, records in groups.items()}

    def content(self) -> bytes:
        """Return a whole file of this version, for a backup; :meth:`Store.restore` takes it."""
        return b"".join(self.parts())

    def parts(self) -> list[bytes]:
        """Return the file of this version in parts: no copy of the large one is made."""
        return pack(
            self.lines,
            collection=self.name,
            schema=self.schema,
            version=self.version,
            at=self.written_at,
        )

    def next(self, lines: Mapping[str, bytes], records: dict[str, R]) -> Snapshot[R]:
        """Return the version after this one; ``records`` are those of ``lines`` known so far."""
        return Snapshot(
            name=self.name,
            version=self.version + 1,
            schema=self.schema,
            lines=lines,
            codec=self._codec,
            records=records,
        )

    def decoded(self) -> dict[str, R]:
        """Return a copy of what was decoded so far, for the next version."""
        return self._records.copy()

    def decoded_as(self, lines: Mapping[str, bytes]) -> dict[str, R]:
        """Return what was decoded so far and is the same in ``lines``."""
        own = self.lines
        return {
            name: record
            for name, record in self._records.copy().items()
            if lines.get(name) == own[name]
        }

    def _decode(self, name: str, line: bytes) -> R:
        try:
            return self._codec.decode(name, raw_of(name, line))
        except (TypeError, ValueError) as error:
            raise DamagedStoreError(
                f"Record {name} in {self.name}.json is not a {self._codec.kind.__name__} "
                f"({error}); restore a backup, or put the previous version back with "
                f"`lightbox store recover {self.name}`."
            ) from error
