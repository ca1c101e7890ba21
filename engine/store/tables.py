"""Collections as TinyDB tables, for whoever wants its queries.

A collection file is a TinyDB document whose table ``records`` has text ids. A plain ``TinyDB`` that
writes to it would lose other programs' changes and break its checksum; these storages read from a
version that never changes, and write into a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

import orjson
from tinydb.storages import Storage
from tinydb.table import Table

from engine.store.identity import new_id
from engine.store.layout import raw_of
from engine.store.snapshots import Snapshot
from engine.store.transactions import Transaction

__all__ = ["RECORDS", "RecordTable", "table_of", "table_within"]

# The table that holds the records in a collection's file.
RECORDS: Final = "records"

_Tables = dict[str, dict[str, Any]]


@final
class RecordTable(Table):
    """A TinyDB table whose ids are text."""

    document_id_class = str  # type: ignore[assignment]  # ours are text, TinyDB's are numbers

    def _get_next_id(self) -> str:
        return new_id()


def table_of(snapshot: Snapshot[Any]) -> RecordTable:
    """Return a version of a collection as a table that can be asked and not changed."""
    return RecordTable(_ReadStorage(snapshot.lines), RECORDS, cache_size=0)


def table_within(transaction: Transaction[Any]) -> RecordTable:
    """Return a transaction's collection as a table; changes to it are the transaction's.

    A document that is no record of the collection raises :class:`TypeError`, and nothing of that
    call is kept.
    """
    return RecordTable(_TransactionStorage(transaction), RECORDS, cache_size=0)


def _decoded(lines: Mapping[str, bytes]) -> _Tables:
    return {RECORDS: {name: orjson.loads(raw_of(name, line)) for name, line in lines.items()}}


@final
class _ReadStorage(Storage):
    def __init__(self, lines: Mapping[str, bytes]) -> None:
        self._lines = lines

    def read(self) -> _Tables:
        return _decoded(self._lines)

    def write(self, data: Mapping[str, Mapping[str, Any]]) -> None:  # noqa: ARG002 – TinyDB's seam
        raise TypeError("A version of a collection never changes; use a transaction's table.")


@final
class _TransactionStorage(Storage):
    def __init__(self, transaction: Transaction[Any]) -> None:
        self._transaction = transaction

    def read(self) -> _Tables:
        return _decoded(self._transaction.lines)

    def write(self, data: Mapping[str, Mapping[str, Any]]) -> None:
        documents = data[RECORDS]
        decode = self._transaction.codec.decode
        records = [decode(name, orjson.dumps(stored)) for name, stored in documents.items()]
        for name in [name for name in self._transaction.lines if name not in documents]:
            self._transaction.remove(name)
        for record in records:
            self._transaction.put(record)
