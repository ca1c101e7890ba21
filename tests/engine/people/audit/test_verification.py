"""Finding what somebody did to the audit log."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.errors import RequestError
from engine.people.audit import AuditLog
from engine.people.audit.lines import decode, encode
from tests.engine.people.audit.conftest import BOSS, open_log


def lines_of(log: AuditLog) -> list[tuple[Path, list[bytes]]]:
    return [
        (path, path.read_bytes().splitlines(keepends=True))
        for path in sorted(log.folder.glob("*.jsonl"))
    ]


def file_with(log: AuditLog, number: int) -> tuple[Path, list[bytes], int]:
    """Return the file that holds line ``number``, its lines, and the place among them."""
    for path, lines in lines_of(log):
        first = decode(lines[0]).number
        if first <= number < first + len(lines):
            return path, lines, number - first
    raise AssertionError(number)


def test_a_log_that_nobody_touched_is_in_order(filled: AuditLog) -> None:
    """The report counts the lines and gives the end to note elsewhere."""
    report = filled.verify()
    assert (report.ok, report.count, report.first_bad) == (True, 20, None)
    assert report.sentence.startswith("All is in order: 20 lines")
    assert report.head == f"20:{filled.entries().entries[0].hash}"


def test_an_empty_log_is_in_order(log: AuditLog) -> None:
    """Nothing was logged, nothing is missing, and looking makes no files."""
    assert log.verify().ok
    assert log.verify().count == 0
    assert not log.folder.exists()


@pytest.mark.parametrize("number", [1, 7, 20])
@pytest.mark.parametrize(
    ("old", "new"),
    [(b"Boss", b"Bass"), (b'"record":"users/', b'"record":"uzers/'), (b'"n":', b'"n": ')],
)
def test_a_changed_line_is_found(filled: AuditLog, number: int, old: bytes, new: bytes) -> None:
    """One letter, or one blank that changes no meaning."""
    path, lines, place = file_with(filled, number)
    old, new = (b"Ann", b"Ben") if old == b"Boss" and number % 2 == 0 else (old, new)
    assert old in lines[place]
    lines[place] = lines[place].replace(old, new, 1)
    path.write_bytes(b"".join(lines))
    report = filled.verify()
    assert (report.ok, report.first_bad, report.head) == (False, number, "")
    assert f"Line {number} " in report.sentence
    assert "was changed" in report.sentence


@pytest.mark.parametrize("number", [1, 2, 7, 12])
def test_a_missing_line_is_found(filled: AuditLog, number: int) -> None:
    """Taken out of the middle or from the front."""
    path, lines, place = file_with(filled, number)
    del lines[place]
    path.write_bytes(b"".join(lines))
    report = filled.verify()
    assert (report.ok, report.first_bad) == (False, number)
    assert report.sentence.startswith(f"Line {number} is missing before line {number + 1}")


def test_a_missing_file_is_found(filled: AuditLog) -> None:
    """All lines of it are named."""
    (_, lines), (path, gone), *_ = lines_of(filled)
    path.unlink()
    report = filled.verify()
    assert report.first_bad == len(lines) + 1
    assert f"Lines {len(lines) + 1} to {len(lines) + len(gone)} are missing" in report.sentence


def test_lines_in_another_order_are_found(filled: AuditLog) -> None:
    """Two neighbours exchanged."""
    path, lines, place = file_with(filled, 2)
    lines[place], lines[place + 1] = lines[place + 1], lines[place]
    path.write_bytes(b"".join(lines))
    assert filled.verify().first_bad == 2


def test_a_line_put_in_twice_is_found(filled: AuditLog) -> None:
    """A copy of a sound line does not belong there."""
    path, lines, place = file_with(filled, 3)
    lines.insert(place + 1, lines[place])
    path.write_bytes(b"".join(lines))
    report = filled.verify()
    assert not report.ok
    assert "Line 3 stands where line 4 belongs" in report.sentence


@pytest.mark.parametrize("many", [1, 3])
def test_a_cut_tail_is_found(filled: AuditLog, many: int) -> None:
    """The anchor knows how many lines there were."""
    path, lines = lines_of(filled)[-1]
    assert len(lines) > 0
    while many > 0 and lines:
        lines.pop()
        many -= 1
    path.write_bytes(b"".join(lines))
    report = filled.verify()
    assert not report.ok
    assert "missing: the anchor says that there were 20" in report.sentence
    assert filled.verify_end().ok is False


def test_a_deleted_log_is_found(filled: AuditLog) -> None:
    """The anchor lies elsewhere and remembers it."""
    shutil.rmtree(filled.folder)
    report = filled.verify()
    assert (report.ok, report.first_bad) == (False, 1)
    assert "The last 20 lines are missing" in report.sentence


def test_a_chain_written_anew_is_found(filled: AuditLog) -> None:
    """Who recomputes every hash still lacks the key of the seals."""
    previous = "0" * 64
    for path, lines in lines_of(filled):
        forged = b""
        for line in lines:
            entry = decode(line)
            fields = {name: getattr(entry, name) for name in entry.__dataclass_fields__}
            changed = type(entry)(**fields | {"text": "Did nothing", "previous": previous})
            new, sealed = encode(changed, b"a key of somebody else's........")
            previous = sealed.hash
            forged += new
        path.write_bytes(forged)
    report = filled.verify()
    assert (report.ok, report.first_bad) == (False, 1)
    assert "was not sealed with this server's key" in report.sentence


def test_a_line_added_by_somebody_else_is_found(filled: AuditLog) -> None:
    """It follows from the last one, but its seal does not fit; the server does not build on it."""
    path, lines = lines_of(filled)[-1]
    last = decode(lines[-1])
    fields = {name: getattr(last, name) for name in last.__dataclass_fields__}
    forged, _ = encode(
        type(last)(**fields | {"number": 21, "previous": last.hash, "text": "Not ours"}),
        b"a key of somebody else's........",
    )
    path.write_bytes(b"".join(lines) + forged)
    assert filled.verify().first_bad == 21
    filled.write(BOSS, "users.manage", text="After")
    texts = [entry.text for entry in filled.entries().entries[:3]]
    assert texts[0] == "After"
    assert "this server did not write" in texts[1]
    assert filled.verify().first_bad == 21


def test_writing_on_does_not_heal_a_cut_tail(filled: AuditLog) -> None:
    """The numbers go on where they were, so that the gap stays to be seen for ever."""
    path, lines = lines_of(filled)[-1]
    path.write_bytes(b"".join(lines[:-1]))
    assert filled.write(BOSS, "users.manage", text="After").number == 22
    note = filled.entries().entries[1]
    assert (note.action, note.number) == ("audit.fault", 21)
    assert "lines that were there are missing" in note.text
    report = filled.verify()
    assert (report.ok, report.first_bad) == (False, 20)


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"count": 3}', b"\xff"])
def test_a_missing_or_damaged_anchor_is_found(
    filled: AuditLog, tmp_path: Path, content: bytes | None
) -> None:
    """Lines may have been cut with it; the next line notes that, and the log goes on."""
    anchor = tmp_path / "secrets" / "audit.end"
    if content is None:
        anchor.unlink()
    else:
        anchor.write_bytes(content)
    report = filled.verify()
    assert not report.ok
    assert "anchor cannot be used" in report.sentence
    filled.write(BOSS, "users.manage", text="After")
    report = filled.verify()
    assert (report.ok, report.count, report.faults) == (True, 22, 1)
    assert "tell of a fault" in report.sentence


def test_an_anchor_with_other_numbers_is_found(filled: AuditLog, tmp_path: Path) -> None:
    """Its seal does not fit any more."""
    anchor = tmp_path / "secrets" / "audit.end"
    anchor.write_text(anchor.read_text().replace('"count": 20', '"count": 19'))
    assert "its seal does not fit" in filled.verify().sentence


def test_without_the_key_only_the_chain_can_be_told(filled: AuditLog, tmp_path: Path) -> None:
    """A log without its key is not called in order."""
    (tmp_path / "secrets" / "audit.key").unlink()
    report = open_log(tmp_path).verify()
    assert not report.ok
    assert "the key that seals it is missing" in report.sentence


def test_a_noted_end_finds_an_older_copy(filled: AuditLog, tmp_path: Path) -> None:
    """Log, key and anchor put back together look sound, but not to who noted the end."""
    noted = filled.verify().head
    assert filled.verify(expected=noted).ok
    shutil.copytree(tmp_path, tmp_path.with_name("older"))
    for _ in range(3):
        filled.write(BOSS, "users.manage", text="Later")
    later = filled.verify().head
    assert filled.verify(expected=noted).ok
    older = open_log(tmp_path.with_name("older"))
    assert older.verify().ok
    report = older.verify(expected=later)
    assert not report.ok
    assert "the note says that there were 23" in report.sentence
    other = filled.verify(expected=f"20:{'0' * 64}")
    assert (other.ok, other.first_bad) == (False, 20)


@pytest.mark.parametrize("text", ["20", "20:abc", "abc", f"-1:{'0' * 64}", f"1:{'z' * 64}"])
def test_a_note_of_another_form_is_refused(filled: AuditLog, text: str) -> None:
    """It was not copied whole."""
    with pytest.raises(RequestError, match="COUNT:HASH"):
        filled.verify(expected=text)


def test_the_quick_check_reads_the_newest_file_only(filled: AuditLog) -> None:
    """It finds what is wrong there and at the end, not what is wrong earlier."""
    path, lines, place = file_with(filled, 2)
    lines[place] = lines[place].replace(b"Ann", b"Ben")
    path.write_bytes(b"".join(lines))
    assert filled.verify_end().ok
    assert not filled.verify().ok
    path, lines = lines_of(filled)[-1]
    path.write_bytes(lines[0].replace(b"Did", b"Dad") + b"".join(lines[1:]))
    assert not filled.verify_end().ok
