"""Looking through the audit log, and taking it away."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest

from engine.errors import RequestError
from engine.people.actors import Actor
from engine.people.audit import AuditLog, Filters
from tests.engine.people.audit.conftest import ANN, BOSS


def numbers(log: AuditLog, filters: Filters) -> list[int]:
    return [entry.number for entry in log.entries(filters).entries]


def test_pages_begin_with_the_newest(filled: AuditLog) -> None:
    """Twenty lines in pages of eight: 20 … 13, 12 … 5, 4 … 1, and nothing beyond."""
    pages = [filled.entries(page=page, size=8) for page in (1, 2, 3, 4)]
    found = [[entry.number for entry in page.entries] for page in pages]
    assert found == [list(range(20, 12, -1)), list(range(12, 4, -1)), [4, 3, 2, 1], []]
    assert {(page.total, page.pages) for page in pages} == {(20, 3)}


@pytest.mark.parametrize(("page", "size"), [(0, 10), (-1, 10), (1, 0), (1, 1001)])
def test_impossible_pages_are_refused(filled: AuditLog, page: int, size: int) -> None:
    """The sentence names the number."""
    with pytest.raises(RequestError, match=r"'page'|'size'"):
        filled.entries(page=page, size=size)


@pytest.mark.parametrize(
    "text", ["Müller", "MÜLLER", "müller", "straSSe", 'said "a\\b"', "漢", "K", "ok", "2,5"]
)
def test_words_are_found_in_any_script_and_case(log: AuditLog, text: str) -> None:
    """What is looked for is found as people read it, however the file spells it."""
    log.write(ANN, "masks.draw", text='Müller in der Straße said "a\\b" 漢, 2,5 K: OK')
    log.write(ANN, "masks.draw", text="Something else altogether")
    assert 1 in numbers(log, Filters(text=text))


def test_an_empty_log_has_one_empty_page(log: AuditLog) -> None:
    """Also one whose folder was never made."""
    page = log.entries()
    assert (page.entries, page.total, page.pages) == ((), 0, 1)


def test_filters_say_what_a_line_must_have(log: AuditLog) -> None:
    """By person, action or area, record or kind, words and time; together all must fit."""
    log.write(ANN, "masks.draw", record="masks/1", text="Drew a mask")
    log.write(BOSS, "masks.review", record="masks/1", text="Approved")
    log.write(BOSS, "users.manage", record="users/1", text="Disabled")
    log.write(BOSS, "users.manage", record="users/11", text="Enabled")
    third = log.entries().entries[1]
    assert numbers(log, Filters(actor_id="ann")) == [1]
    assert numbers(log, Filters(action="masks")) == [2, 1]
    assert numbers(log, Filters(action="masks.review")) == [2]
    assert numbers(log, Filters(action="mask")) == []
    assert numbers(log, Filters(record="users/1")) == [3]
    assert numbers(log, Filters(record="users")) == [4, 3]
    assert numbers(log, Filters(text="ABLED")) == [4, 3]
    assert numbers(log, Filters(text="maurer")) == [1]
    assert numbers(log, Filters(since=third.at)) == [4, 3]
    assert numbers(log, Filters(until=third.at)) == [2, 1]
    assert numbers(log, Filters(actor_id="boss", action="masks", text="appr")) == [2]
    assert numbers(log, Filters(since=third.at + timedelta(days=1))) == []


def test_a_damaged_line_does_not_hide_the_others(filled: AuditLog) -> None:
    """What cannot be read is left out here; the check of the log reports it."""
    path = filled.folder / "000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"\xff\x00not json\n" + b"".join(lines[1:]))
    assert [entry.number for entry in filled.entries().entries] == list(range(20, 1, -1))
    assert filled.entries(Filters(record="users")).total == 19
    assert filled.entry(1) is None
    assert filled.entry(2) is not None


def test_json_lines_can_be_read_back(filled: AuditLog) -> None:
    """One object on each line, oldest first, of what the filters let through."""
    text = filled.export(Filters(actor_id="ann"), "jsonl").decode()
    documents = [json.loads(line) for line in text.splitlines()]
    assert [document["number"] for document in documents] == list(range(2, 21, 2))
    assert {document["actor_name"] for document in documents} == {"Ann Maurer"}


def test_the_table_runs_no_formula(log: AuditLog) -> None:
    """A name or text that a spreadsheet would run is marked as text; others stay as they are."""
    evil = ['=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"]
    for text in evil:
        actor = Actor(id="=1", name=text, role="ADMIN", address="@x")
        log.write(actor, "users.manage", record="-users/1", text=text, details={"a": text})
    log.write(ANN, "users.manage", text='said "hello", left; 5 - 3 = 2')
    content = log.export(kind="csv")
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    for row, text in zip(rows, evil, strict=False):
        assert row["text"] == row["actor_name"] == f"'{text}"
        assert (row["record"], row["address"], row["actor_id"]) == ("'-users/1", "'@x", "'=1")
        assert all(not value.lstrip().startswith(("=", "+", "-", "@")) for value in row.values())
    assert rows[-1]["text"] == 'said "hello", left; 5 - 3 = 2'
    assert rows[-1]["number"] == str(len(evil) + 1)


def test_pages_go_over_many_files(log: AuditLog) -> None:
    """The last page comes from the first file; a filter finds lines in all of them."""
    big = AuditLog(log.folder.with_name("big"), segment_bytes=5_000)
    for number in range(200):
        big.write(ANN, "masks.draw", record=f"masks/{number % 10}", text="Drew")
    assert big.entries(page=4, size=50).entries[-1].number == 1
    assert big.entries(Filters(record="masks/3")).total == 20
