"""The file of a collection: a TinyDB document that knows when it is not whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinydb import TinyDB

from engine.errors import NewerStoreError
from engine.store.layout import FIRST_LINE_BYTES, TornError, line_of, pack, peek, raw_of, unpack
from engine.store.tables import RecordTable

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LINES = {name: line_of(name, b'{"title":"%s"}' % name.encode()) for name in ("a", "b2", "c-3")}


def packed(lines: dict[str, bytes] = LINES, **about: object) -> bytes:
    given_about = {"collection": "things", "schema": 1, "version": 7, "at": AT} | about
    return b"".join(pack(lines, **given_about))  # type: ignore[arg-type]


def test_what_is_packed_is_unpacked() -> None:
    """Lines come back by id in their order, and the first line tells what they are."""
    about, lines = unpack(packed())
    assert lines == LINES
    assert list(lines) == ["a", "b2", "c-3"]
    assert (about.collection, about.schema, about.version, about.count) == ("things", 1, 7, 3)
    assert about.written_at == AT
    assert raw_of("b2", lines["b2"]) == b'{"title":"b2"}'


def test_nothing_is_packed_too() -> None:
    """An emptied collection is a file with no records, not an empty file."""
    assert unpack(packed({}))[1] == {}


def test_the_file_is_one_json_document() -> None:
    """Any JSON reader can open it; records lie below their ids."""
    document = json.loads(packed())
    assert document["records"]["b2"] == {"title": "b2"}
    assert document["_about"]["1"]["count"] == 3


def test_plain_tinydb_can_open_it(tmp_path: Path) -> None:
    """TinyDB itself finds the table with the records."""
    path = tmp_path / "things.json"
    path.write_bytes(packed())
    with TinyDB(path, access_mode="r") as database:
        assert database.tables() == {"_about", "records"}
        table = RecordTable(database.storage, "records")
        assert {document.doc_id: document["title"] for document in table} == {
            name: name for name in LINES
        }


@given(st.integers(0, len(packed()) - 1))
def test_a_file_cut_anywhere_is_torn(length: int) -> None:
    """A file that ends early is never taken for one with fewer records."""
    with pytest.raises(TornError, match=r"empty|ends after|should have"):
        unpack(packed()[:length])


@given(st.integers(0, len(packed()) - 1), st.integers(1, 255))
def test_a_changed_byte_is_seen(place: int, change: int) -> None:
    """Any changed byte makes the file torn, unless it means the same (blanks of the first line)."""
    content = bytearray(packed())
    content[place] ^= change
    try:
        found = unpack(bytes(content))
    except (TornError, NewerStoreError):
        return
    assert place < FIRST_LINE_BYTES
    assert found == unpack(packed())


@given(st.binary(max_size=2000))
def test_anything_else_is_torn(content: bytes) -> None:
    """Bytes of no known origin raise this error and no other."""
    with pytest.raises(TornError):
        unpack(content)


@pytest.mark.parametrize(
    "first",
    [
        b"{}",
        b"[]",
        b"null",
        b'{"_about":{"1":{}},',
        b'{"_about":{"1":null},',
        b'{"_about":{"1":{"format":"1"}},',
        b'{"_about":{"1":{"format":1,"written_at":7}},',
        b'{"_about":{"1":{"format":1,"written_at":"2026-01-01T00:00:00Z","other":1}},',
    ],
)
def test_a_first_line_of_another_program_is_torn(first: bytes) -> None:
    """TinyDB's own file, or one that was edited by hand, is not believed."""
    with pytest.raises(TornError, match="not one that Lightbox has written"):
        peek(first.ljust(FIRST_LINE_BYTES))


def test_the_values_of_the_first_line_are_under_the_checksum() -> None:
    """A version of the stored form that was altered would let a migration run twice."""
    altered = packed(schema=2).replace(b'"schema":2', b'"schema":1')
    with pytest.raises(TornError, match="checksum"):
        unpack(altered)


def test_a_later_form_of_the_file_is_not_called_damaged() -> None:
    """A newer Lightbox may lay files out otherwise: the sentence says so."""
    newer = packed().replace(b'"format":1', b'"format":2')
    with pytest.raises(NewerStoreError, match="newer Lightbox"):
        unpack(newer)


@pytest.mark.parametrize("name", ["", "a b", 'a"', "a" * 129, "é"])
def test_an_id_that_needs_escaping_is_refused(name: str) -> None:
    """Ids are written as they are."""
    with pytest.raises(ValueError, match=r"use new_id\(\)"):
        line_of(name, b"{}")
