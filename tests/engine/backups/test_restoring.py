"""Putting backups back: all of it or nothing, while others work, also after an update."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Self

import pytest

from engine.backups import Running
from engine.backups import stopping as stopping_module
from engine.errors import BackupError, BusyError, DiskShortError, NotFoundError
from engine.people.actors import SYSTEM, Actor
from engine.store import Store, new_id, now
from engine.store.records import Activity, Dataset, Job, Session, User
from engine.store.schemas import SCHEMAS, Migration, Schema
from tests.engine.backups.archives import read_all, rewritten
from tests.engine.backups.homes import ROOT, Home, home_at, noted
from tests.engine.backups.test_making import fill_up, small_disk

# One process that forks a child for each line, because starting Python takes longer than a restore.
_RESTORE = """
import os, sys
from pathlib import Path
from tests.engine.backups.homes import home_at
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        home_at(Path(sys.argv[1])).backups.restore(line.strip())
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
_WRITE = """
import sys
from pathlib import Path
from tests.engine.backups.homes import home_at
home = home_at(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    home.add_pairs(1)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a picture, two pairs and a line in the audit log."""
    home = home_at(tmp_path / "home")
    home.add_picture(os.urandom(50_000), "first")
    home.add_pairs(2)
    noted(home)
    return home


def changed(home: Home) -> None:
    """Do what a day of work does: remove, add, and lose a file."""
    (image,) = home.store.images.read()
    with home.store.images.transaction() as images:
        images.remove(image.id)
    home.files.remove(image.sha256)
    home.add_picture(b"second picture", "second")
    home.add_pairs(1)


def test_everything_is_as_it_was(home: Home) -> None:
    """Records are back to the byte, files are back and whole, and the log says who did it."""
    before = home.state()
    record = home.backups.make()
    changed(home)
    done = home.backups.restore(record.id, actor=Actor(id="ann", name="Ann", role="ADMIN"))
    assert home.state() == before
    assert all(home.files.verify(image.sha256).ok for image in home.store.images.read())
    entry = home.audit.entries().entries[0]
    assert (entry.actor_id, entry.action) == ("ann", "backups.restore")
    assert entry.record == f"backups/{record.id}"
    assert home.audit.verify().ok
    assert home.backups.last_restore() == done


def test_the_state_before_can_be_had_again(home: Home) -> None:
    """The present state is saved first, as a good backup, and can be put back in turn."""
    record = home.backups.make()
    changed(home)
    today = home.state()
    done = home.backups.restore(record.id)
    kept = home.backups.get(done.kept_id)
    assert (kept.state, kept.reason) == ("good", "before restore")
    home.backups.restore(kept.id)
    assert home.state() == today


def test_what_is_written_in_the_last_moment_is_saved_too(home: Home) -> None:
    """Records written after the present state was saved are in the backup that leads back."""
    record = home.backups.make()

    def late(_fraction: float, stage: str) -> None:
        if stage == "putting the records in place":
            with home.store.datasets.transaction() as datasets:
                datasets.put(Dataset(id="late", name="Late"))

    done = home.backups.restore(record.id, progress=late)
    assert "late" not in home.store.datasets.read()
    assert home.backups.get(done.kept_id).state == "good"
    home.backups.restore(done.kept_id)
    assert "late" in home.store.datasets.read()


def test_a_preview_counts_and_changes_nothing(home: Home) -> None:
    """What goes, comes back and changes back is told by collection, and is all still there."""
    record = home.backups.make()
    changed(home)
    today = home.state()
    rows = {row.collection: row for row in home.backups.preview(record.id).lost}
    assert (rows["images"].gone, rows["images"].back, rows["images"].changed) == (1, 1, 0)
    assert (rows["patients"].gone, rows["patients"].back) == (1, 0)
    assert set(rows) == {"images", "patients", "samples"}
    assert home.state() == today


def test_killed_at_any_moment_it_is_all_or_nothing(home: Home) -> None:
    """Killed 12 times, at moments spread over the restore and its end, the state is old or new."""
    states = {home.backups.make().id: home.state()}
    changed(home)
    states[home.backups.make().id] = home.state()
    names = list(states)
    random = Random(4)
    with restorer(home) as forks:
        began = time.monotonic()
        forks.begin(names[0])
        assert forks.ended() == 0
        duration_s = time.monotonic() - began
        outcomes = []
        for number in range(12):
            at = other(states, home)
            share = random.uniform(0.0, 1.1) if number % 2 else random.uniform(0.7, 1.0)
            child = forks.begin(at)
            time.sleep(share * duration_s)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            forks.ended()
            assert home.state() in states.values(), f"a mixture after kill {number}"
            outcomes.append(home.state() == states[at])
    assert not all(outcomes)
    assert home.backups.restore(names[0]).backup_id == names[0]


def other(states: dict[str, dict[str, dict[str, bytes]]], home: Home) -> str:
    """Return the backup of the state that the home is not in."""
    return next(name for name, state in states.items() if state != home.state())


class restorer:  # noqa: N801 – used as a context manager only
    """A process that restores in children of its own, which can be killed."""

    def __init__(self, home: Home) -> None:
        self._command = [sys.executable, "-c", _RESTORE, str(home.settings.home)]

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def begin(self, name: str) -> int:
        """Begin a restore and return its process id."""
        assert self._process.stdin is not None
        print(name, file=self._process.stdin, flush=True)
        return self._number()

    def ended(self) -> int:
        """Wait for the child and return how it ended."""
        return self._number()

    def _number(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


def test_others_may_read_and_write_meanwhile(home: Home) -> None:
    """A writer in another process and a reader in a thread see old or new, and go on after it."""
    record = home.backups.make()
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITE, str(home.settings.home)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    stop, faults = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            both = home.store.read("patients", "samples")
            if len(both["patients"]) != len(both["samples"]):
                faults.append(len(both["patients"]))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        done = home.backups.restore(record.id)
        at_restore = len(home.store.patients.read())
        deadline = time.monotonic() + 10
        while len(home.store.patients.read()) <= at_restore:
            assert time.monotonic() < deadline, "the writer did not go on"
            time.sleep(0.01)
    finally:
        stop.set()
        reader.join()
        writer.kill()
        writer.wait()
        writer.stdout.close()
    assert faults == []
    kept = home.backups.get(done.kept_id)
    assert kept.record_counts["patients"] == kept.record_counts["samples"]


@pytest.mark.parametrize("wrong", ["cut", "byte", "member", "sum"])
def test_a_damaged_archive_changes_nothing(home: Home, tmp_path: Path, wrong: str) -> None:
    """Whatever is wrong with the archive, no record, file or line of the log changes."""
    record = home.backups.make()
    path = home.backups.archive(record.id)
    contents = read_all(path)
    data = path.read_bytes()
    if wrong == "cut":
        path.write_bytes(data[: len(data) * 2 // 3])
    elif wrong == "byte":
        path.write_bytes(data[:300] + bytes([data[300] ^ 8]) + data[301:])
    elif wrong == "member":
        rewritten(path, {k: v for k, v in contents.items() if k != "records/patients.json"})
    else:
        rewritten(path, contents | {"records/patients.json": contents["records/samples.json"]})
    changed(home)
    before = fingerprint(home)
    with pytest.raises(BackupError, match=r"backup|archive"):
        home.backups.restore(record.id)
    assert fingerprint(home) == before
    assert len(home.backups.list()) == 1


def test_a_malicious_archive_writes_nowhere(home: Home, tmp_path: Path) -> None:
    """An archive with a path that escapes, brought from elsewhere, is refused and not kept."""
    contents = read_all(home.backups.archive(home.backups.make().id))
    evil = rewritten(tmp_path / "evil.zip", contents | {"records/../../../evil.json": b"{}"})
    before = fingerprint(home)
    with pytest.raises(BackupError, match="a name that no backup has"):
        home.backups.adopt(evil)
    assert fingerprint(home) == before
    assert list(tmp_path.rglob("evil.json")) == []


def test_an_older_schema_is_migrated_on_its_way(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup of version 1, put back after an update to version 2, comes back as version 2."""
    with home.store.datasets.transaction() as datasets:
        datasets.put(Dataset(id="old", name="Old", description="before"))
    record = home.backups.make()
    update(monkeypatch)
    updated = home_at(home.settings.home)
    with updated.store.datasets.transaction() as datasets:
        datasets.remove("old")
    updated.backups.restore(record.id)
    assert updated.store.datasets.read()["old"].description == "before the update"


def test_before_a_migration_the_older_form_is_kept(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening older records makes a rehearsed backup of their older form first."""
    from engine.backups import keep_before_migration

    with home.store.datasets.transaction() as datasets:
        datasets.put(Dataset(id="old", name="Old", description="before"))
    older = (home.store.folder / "datasets.json").read_bytes()
    update(monkeypatch)
    Store(
        home.store.folder,
        before_migration=lambda reason: keep_before_migration(home.settings, reason),
    )
    (record,) = home_at(home.settings.home).backups.list()
    assert (record.state, record.reason) == ("good", "before migration")
    archive = home.backups.archive(record.id)
    assert read_all(archive)["records/datasets.json"] == older
    assert (home.store.folder / "datasets.json").read_bytes() != older


def update(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this Lightbox one whose datasets are of version 2."""

    def change(stored: dict[str, object]) -> dict[str, object]:
        return {**stored, "description": f"{stored['description']} the update"}

    step = Migration(text="descriptions end differently", change=change)  # type: ignore[arg-type]  # a test's
    monkeypatch.setitem(SCHEMAS, "datasets", Schema(steps=(step,)))  # type: ignore[arg-type]  # a dict in fact


def test_a_newer_schema_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup of a newer Lightbox says so, and nothing is changed."""
    with monkeypatch.context() as newer:
        update(newer)
        ahead = home_at(home.settings.home)
        with ahead.store.datasets.transaction() as datasets:
            datasets.put(Dataset(name="New"))
        record = ahead.backups.make()
        shutil.copy(ahead.backups.archive(record.id), home.settings.home / "kept.zip")
    older = home_at(home.settings.home.parent / "older")
    adopted = older.backups.adopt(home.settings.home / "kept.zip")
    before = fingerprint(older)
    with pytest.raises(BackupError, match="version 2"):
        older.backups.restore(adopted.id)
    assert fingerprint(older) == before


def test_into_an_empty_home_everything_comes_back(home: Home, tmp_path: Path) -> None:
    """After the loss of a machine: records, files and the whole audit log, sealed as it was."""
    record = home.backups.make()
    before, lines = home.state(), home.audit.verify().count
    fresh = home_at(tmp_path / "fresh")
    fresh.backups.restore(fresh.backups.adopt(home.backups.archive(record.id)).id)
    assert fresh.state() == before
    (image,) = fresh.store.images.read()
    assert fresh.files.verify(image.sha256).ok
    report = fresh.audit.verify()
    assert (report.ok, report.count >= lines) == (True, True)


def test_the_audit_log_is_never_turned_back(home: Home) -> None:
    """What was done since the backup stays in the log, whatever comes back."""
    record = home.backups.make()
    noted(home, "Did something after the backup")
    home.backups.restore(record.id)
    texts = [entry.text for entry in home.audit.entries().entries]
    assert "Did something after the backup" in texts
    assert home.audit.verify().ok


def test_damaged_records_are_replaced_and_kept_aside(home: Home) -> None:
    """A home whose patients cannot be read any more is mended; the damaged file is still there."""
    before = home.state()
    record = home.backups.make()
    (home.store.folder / "patients.json").write_bytes(b"torn by a bad disk")
    done = home.backups.restore(record.id)
    assert home.state() == before
    kept = home.backups.get(done.kept_id)
    assert (kept.state, "patients" in kept.error) == ("bad", True)
    archived = read_all(home.backups.archive(kept.id))["records/patients.json"]
    assert archived == b"torn by a bad disk"


def test_a_damaged_list_of_backups_is_no_wall(home: Home) -> None:
    """When even the list of backups is torn, the archives are found and put back."""
    before = home.state()
    record = home.backups.make()
    changed(home)
    for name in ("backups.json", "backups.previous.json"):
        (home.store.folder / name).write_bytes(b"torn")
    home.backups.restore(record.id)
    assert home.state() == before
    assert record.id in [row.id for row in home.backups.list()]


def test_older_passwords_open_nothing_that_was_closed(home: Home) -> None:
    """Accounts come back; who had another password or role then is signed out, others stay."""
    at = now() - timedelta(hours=1)
    same = User(name="Same", email="same@example.org", role="ADMIN", password_hash="x")
    other = User(name="Other", email="other@example.org", role="ADMIN", password_hash="old")
    with home.store.users.transaction() as users:
        users.put(same)
        users.put(replace(other, tokens_valid_from=at))
    record = home.backups.make()
    with home.store.users.transaction() as users:
        users.put(replace(other, password_hash="new", tokens_valid_from=now()))
    closed = session(same)
    with home.store.sessions.transaction() as sessions:
        for one in (session(other), session(same)):
            sessions.put(one)
    home.backups.restore(record.id)
    users_now = home.store.users.read()
    assert users_now[other.id].password_hash == "old"
    assert users_now[other.id].tokens_valid_from > at + timedelta(minutes=59)  # type: ignore[operator]  # it is set
    assert users_now[same.id].tokens_valid_from is None
    assert [s.user_id for s in home.store.sessions.read()] == [same.id]
    assert closed.id not in home.store.sessions.read()


def session(user: User) -> Session:
    return Session(user_id=user.id, token_hash=new_id(), expires_at=now() + timedelta(days=1))


def test_sessions_that_were_closed_stay_closed(home: Home) -> None:
    """A sign-in of the time of the backup does not come back after the sign-out."""
    user = User(name="Ann", email="ann@example.org", role="ADMIN")
    open_then = session(user)
    with home.store.transaction("users", "sessions") as both:
        both["users"].put(user)
        both["sessions"].put(open_then)
    record = home.backups.make()
    with home.store.sessions.transaction() as sessions:
        sessions.remove(open_then.id)
    home.backups.restore(record.id)
    assert len(home.store.sessions.read()) == 0


def test_what_happened_stays(home: Home) -> None:
    """Jobs and activities since the backup stay, and those that only the backup knows come back."""
    with home.store.transaction("jobs", "activities") as both:
        both["jobs"].put(Job(id="then", task="sample_data", state="completed"))
        both["jobs"].put(Job(id="both", task="sample_data", state="pending"))
        both["activities"].put(Activity(id="act", user_id="u", activity_type="login"))
    record = home.backups.make()
    with home.store.transaction("jobs", "activities") as both:
        both["jobs"].remove("then")
        both["jobs"].put(Job(id="both", task="sample_data", state="completed"))
        both["jobs"].put(Job(id="since", task="sample_data", state="failed"))
        both["activities"].put(Activity(id="act2", user_id="u", activity_type="logout"))
    home.backups.restore(record.id)
    jobs = home.store.jobs.read()
    assert {job.id: job.state for job in jobs} == {
        "then": "completed",
        "both": "completed",
        "since": "failed",
    }
    assert {activity.id for activity in home.store.activities.read()} == {"act", "act2"}


def test_running_jobs_are_told_to_stop(home: Home) -> None:
    """A job at work is asked to stop and waited for; the job of the restore itself is spared."""
    record = home.backups.make()
    with home.store.jobs.transaction() as jobs:
        jobs.put(Job(id="busy", task="sample_data", state="processing"))
        jobs.put(Job(id="self", task="restore", state="processing"))

    def obey() -> None:
        while not home.store.jobs.read()["busy"].cancel_requested:
            time.sleep(0.01)
        with home.store.jobs.transaction() as jobs:
            jobs.put(replace(jobs["busy"], state="cancelled"))

    worker = threading.Thread(target=obey)
    worker.start()
    home.backups.restore(record.id, spare=("self",))
    worker.join()
    jobs = home.store.jobs.read()
    assert (jobs["busy"].state, jobs["self"].state) == ("cancelled", "processing")
    assert not jobs["self"].cancel_requested


def test_a_job_that_does_not_stop_stops_the_restore(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is put back over a job that goes on writing; the sentence says what to do."""
    record = home.backups.make()
    changed(home)
    with home.store.jobs.transaction() as jobs:
        jobs.put(Job(id="deaf", task="sample_data", state="processing"))
    today = home.state()
    monkeypatch.setattr(stopping_module, "_PATIENCE_S", 0.3)
    with pytest.raises(BusyError, match="Jobs still run although they were asked to stop: deaf"):
        home.backups.restore(record.id)
    assert home.state() == today


def test_jobs_of_dead_workers_are_not_waited_for(home: Home) -> None:
    """Who knows that no worker lives says so, and the restore goes on at once."""
    record = home.backups.make()
    with home.store.jobs.transaction() as jobs:
        jobs.put(Job(id="dead", task="sample_data", state="processing"))
    nobody: Running = lambda _store: ()  # noqa: E731 – a seam of one expression
    assert home.backups.restore(record.id, running=nobody).backup_id == record.id


def test_a_disk_that_runs_full_changes_nothing(home: Home, tmp_path: Path) -> None:
    """When the files of the backup do not fit, records and files stay as they are."""
    home.add_picture(os.urandom(4_000_000))
    archive = home.backups.archive(home.backups.make().id)
    with small_disk(tmp_path / "disk", megabytes=45) as disk:
        small = home_at(disk / "home", backup_dir=tmp_path / "elsewhere")
        record = small.backups.adopt(archive)
        small.add_pairs(1)
        before = small.state()
        fill_up(disk / "other")
        with pytest.raises(DiskShortError, match="MB"):
            small.backups.restore(record.id)
        assert small.state() == before
        (disk / "other").unlink()
        full = []

        def fill(_fraction: float, stage: str) -> None:
            if stage == "bringing stored files back" and not full:
                full.append(stage)
                fill_up(disk / "other")

        with pytest.raises(DiskShortError, match=r"full|free"):
            small.backups.restore(record.id, progress=fill)
        assert full
        assert small.state() == before
        (disk / "other").unlink()
        small.backups.restore(record.id)
        assert small.state() == home.state()


def test_an_unknown_backup_is_told(home: Home) -> None:
    """An id that nobody has ends in a sentence."""
    with pytest.raises(NotFoundError, match="fits 0"):
        home.backups.restore("01unknown")


def test_the_list_of_backups_stays(home: Home) -> None:
    """Backups made after the one that is put back are still known."""
    first = home.backups.make()
    second = home.backups.make(actor=SYSTEM)
    done = home.backups.restore(first.id)
    assert {row.id for row in home.backups.list()} == {first.id, second.id, done.kept_id}


def fingerprint(home: Home) -> dict[str, bytes]:
    """Return every byte below the home that a restore could change."""
    folder = home.settings.home
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for area in ("records", "files", "secrets")
        for path in sorted((folder / area).rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.name != "lock"
    }
