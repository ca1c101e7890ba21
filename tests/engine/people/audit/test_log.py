"""Writing the audit log."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.errors import DiskShortError, SettingsError
from engine.people.actors import VISITOR
from engine.people.audit import AuditLog, open_audit
from engine.settings import Settings
from tests.engine.people.audit.conftest import ANN, BOSS, open_log

WRITER = (
    "import sys, pathlib; from engine.people.actors import SYSTEM; "
    "from engine.people.audit import AuditLog; root = pathlib.Path(sys.argv[1]); "
    "log = AuditLog(root / 'audit', key_file=root / 'secrets' / 'audit.key', segment_bytes=3000)\n"
    "for number in range(int(sys.argv[2])):\n"
    "    log.write(SYSTEM, 'jobs.control', record=f'jobs/{sys.argv[3]}-{number}', text='Did it')\n"
    "    print(number, flush=True)\n"
)


def start_writer(root: Path, *, lines: int, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), str(lines), name],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_line_says_who_did_what_to_which_record(log: AuditLog) -> None:
    """What was written comes back, and stands in the file as one JSON object."""
    entry = log.write(ANN, "masks.draw", record="masks/7", text="Drew", details={"strokes": 3})
    assert log.entries().entries == (entry,)
    assert (entry.number, entry.actor_id, entry.role) == (1, "ann", "ANNOTATOR")
    line = json.loads((log.folder / "000001.jsonl").read_text())
    assert line["address"] == "192.0.2.7"
    assert line["details"] == {"strokes": 3}
    assert line["at"].endswith("+00:00")


def test_the_chain_can_be_checked_by_hand(filled: AuditLog) -> None:
    """The hash is SHA-256 of the line without hash and seal; the next line repeats it."""
    before = "0" * 64
    for path in sorted(filled.folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            body = line[: line.index(',"hash":')] + "}"
            document = json.loads(line)
            assert document["previous"] == before
            before = document["hash"]
            assert hashlib.sha256(body.encode()).hexdigest() == before


@pytest.mark.parametrize("text", ["line\nend", "\u2028", "ö 漢 😀", '","hash":"', "\x00", "\ud800"])
def test_no_text_breaks_a_line(log: AuditLog, text: str) -> None:
    """Line ends, quotes and signs of any script stay inside their line and come back."""
    log.write(BOSS, "users.manage", text=text, details={text: [text, None, 1.5, True]})
    log.write(BOSS, "users.manage", text="after")
    report = log.verify()
    assert (report.ok, report.count) == (True, 2)
    assert log.entries().entries[1].text == text
    assert log.entries().entries[1].details == {text: [text, None, 1.5, True]}


def test_details_must_be_plain_json(log: AuditLog) -> None:
    """A mistake of ours is told at once, and the log stays as it was."""
    for wrong in (object(), float("nan")):
        with pytest.raises((TypeError, ValueError), match="JSON"):
            log.write(BOSS, "users.manage", text="x", details={"wrong": wrong})
    assert log.entries().total == 0
    log.write(BOSS, "users.manage", text="x")
    assert log.verify().ok


def test_files_are_its_owners_alone(tmp_path: Path) -> None:
    """Lines and folder, key and anchor: nobody else may read them; key and anchor lie apart."""
    settings = Settings(home=tmp_path / "home")
    log = open_audit(settings)
    log.write(VISITOR, "jobs.control", text="Did it")
    assert log.folder == settings.home / "records" / "audit"
    assert {path.parent.name for path in log.files} == {"audit", "secrets"}
    assert {path.stat().st_mode & 0o077 for path in (*log.files, log.folder)} == {0}


def test_threads_and_processes_write_one_chain(tmp_path: Path) -> None:
    """Three processes and four threads at once: every line is there, once, and follows."""
    log = open_log(tmp_path)
    processes = [start_writer(tmp_path, lines=25, name=f"p{n}") for n in range(3)]

    def write(name: str) -> None:
        for number in range(25):
            log.write(ANN, "jobs.control", record=f"jobs/{name}-{number}", text="Did it")

    threads = [threading.Thread(target=write, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    report = log.verify()
    assert (report.ok, report.count, report.faults) == (True, 175, 0)
    names = [f"p{n}" for n in range(3)] + [f"t{n}" for n in range(4)]
    records = {entry.record for entry in log.entries(size=1000).entries}
    assert records == {f"jobs/{name}-{number}" for name in names for number in range(25)}


def test_killed_writers_lose_no_line_that_they_reported(tmp_path: Path) -> None:
    """``kill -9`` at eight moments: the log stays sound, and each finished line is in it."""
    told: set[str] = set()
    for number in range(8):
        process = start_writer(tmp_path, lines=100_000, name=f"k{number}")
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.003 + 0.011 * number)
        os.kill(process.pid, signal.SIGKILL)
        told |= {f"jobs/k{number}-{line.strip()}" for line in process.stdout.readlines()}
        process.wait()
        process.stdout.close()
        report = open_log(tmp_path).verify()
        assert report.ok, report.sentence
        assert report.faults == 0
    log = open_log(tmp_path)
    log.write(BOSS, "users.manage", text="after")
    entries = log.entries(size=1000)
    assert told <= {
        entry.record
        for page in range(1, entries.pages + 1)
        for entry in log.entries(page=page, size=1000).entries
    }
    assert log.verify().ok


def test_a_line_that_was_written_but_not_anchored_counts(filled: AuditLog, tmp_path: Path) -> None:
    """A writer killed between line and anchor: the line is sound, and the next follows it."""
    anchor = tmp_path / "secrets" / "audit.end"
    before = anchor.read_bytes()
    filled.write(BOSS, "users.manage", text="Number 21")
    anchor.write_bytes(before)
    assert filled.verify().ok
    assert filled.write(BOSS, "users.manage", text="Number 22").number == 22
    report = filled.verify()
    assert (report.ok, report.count, report.faults) == (True, 22, 0)


def test_half_a_line_is_cut_off(filled: AuditLog) -> None:
    """A writer that died in the middle never said that it was done."""
    last = sorted(filled.folder.glob("*.jsonl"))[-1]
    with last.open("ab") as file:
        file.write(b'{"action":"users.man')
    assert filled.verify().ok
    assert filled.entries().total == 20
    assert filled.write(BOSS, "users.manage", text="Number 21").number == 21
    assert filled.verify().ok
    assert b"users.man{" not in last.read_bytes()


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_a_full_disk_is_told_and_leaves_the_log_sound(
    filled: AuditLog, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """The sentence says to make room; afterwards the log goes on."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, failing, full)
        with pytest.raises(DiskShortError, match="full"):
            filled.write(BOSS, "users.manage", text="Number 21")
    assert filled.verify().ok
    assert filled.write(BOSS, "users.manage", text="Number 21").number == 21
    assert filled.verify().count == 21


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The sentence names the setting."""
    (tmp_path / "audit").write_text("a file in its place")
    log = AuditLog(tmp_path / "audit")
    with pytest.raises(SettingsError, match="LIGHTBOX_HOME"):
        log.write(BOSS, "users.manage", text="x")


def test_a_frozen_log_can_be_copied(filled: AuditLog, tmp_path: Path) -> None:
    """Nobody else writes meanwhile; the copy is sound; the own thread may still write."""
    with filled.frozen():
        process = start_writer(tmp_path, lines=1, name="other")
        filled.write(BOSS, "users.manage", text="Number 21")
        time.sleep(0.3)
        assert filled.entries().total == 21
    process.communicate(timeout=30)
    assert filled.verify().count == 22


def test_a_line_takes_milliseconds(log: AuditLog) -> None:
    """The end is known from the anchor, however long the log is: no line is read again."""
    big = AuditLog(log.folder)
    for _ in range(50):
        big.write(BOSS, "users.manage", text="x" * 1000)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        big.write(BOSS, "users.manage", text="x")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05
