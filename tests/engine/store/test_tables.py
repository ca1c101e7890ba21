"""TinyDB's own tables and queries on collections."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tinydb import Query, where
from tinydb.operations import increment
from tinydb.table import Document

from engine.store import Collection
from engine.store.tables import table_of, table_within
from tests.engine.store.things import Thing, thing_in


@pytest.fixture
def collection(tmp_path: Path) -> Collection[Thing]:
    collection = thing_in(tmp_path)
    with collection.transaction() as changes:
        for number in range(5):
            changes.put(Thing(id=f"t{number}", title=["even", "odd"][number % 2], count=number))
    return collection


def test_a_query_finds_what_where_finds(collection: Collection[Thing]) -> None:
    """TinyDB's search and our index agree."""
    snapshot = collection.read()
    found = table_of(snapshot).search(where("title") == "odd")
    assert [document.doc_id for document in found] == ["t1", "t3"]
    assert [thing.id for thing in snapshot.where(title="odd")] == ["t1", "t3"]


def test_queries_may_be_combined(collection: Collection[Thing]) -> None:
    """What ``where`` cannot ask, TinyDB can: larger than, and, not."""
    thing = Query()
    table = table_of(collection.read())
    found = table.search((thing.count > 1) & ~(thing.title == "odd"))
    assert [document["count"] for document in found] == [2, 4]
    assert table.get(doc_id="t3")["count"] == 3  # type: ignore[call-overload, index]
    assert len(table) == 5


def test_a_version_cannot_be_changed_through_its_table(collection: Collection[Thing]) -> None:
    """A snapshot stays what it is."""
    with pytest.raises(TypeError, match="never changes; use a transaction's table"):
        table_of(collection.read()).truncate()
    assert len(collection.read()) == 5


def test_changes_through_a_table_are_the_transactions(collection: Collection[Thing]) -> None:
    """TinyDB's update, remove and insert are written when the block ends, together."""
    stored = {"title": "new", "created_at": datetime(2026, 1, 1, tzinfo=UTC).isoformat()}
    with collection.transaction() as changes:
        table = table_within(changes)
        table.update(increment("count"), where("title") == "odd")
        table.remove(where("count") == 0)
        table.insert(Document(stored, doc_id="own"))  # type: ignore[arg-type]
        made = table.insert(stored)
        assert changes["t1"].count == 2
        assert len(collection.read()) == 5
    again = thing_in(collection.folder).read()
    assert [(thing.id, thing.count) for thing in again if thing.id != made] == [
        ("t1", 2),
        ("t2", 2),
        ("t3", 4),
        ("t4", 4),
        ("own", 0),
    ]
    assert len(str(made)) == 26


def test_a_document_that_is_no_record_is_refused(collection: Collection[Thing]) -> None:
    """A wrong type raises, and nothing of that call is kept."""
    with collection.transaction() as changes:
        table = table_within(changes)
        with pytest.raises(TypeError, match="`count`: expected a whole number, got a str"):
            table.update({"count": "many"}, where("title") == "odd")
    assert collection.read().version == 1
