"""Making backups: consistent, rehearsed, and never half there."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from engine.errors import (
    BackupError,
    BusyError,
    DamagedStoreError,
    DiskShortError,
    NotFoundError,
    RequestError,
)
from engine.store import now
from tests.cloud_server import CREDENTIALS, start_cloud_server, stop_cloud_server
from tests.engine.backups.homes import ROOT, Home, home_at, noted

_MAKE = """
import sys, time
from pathlib import Path
from tests.engine.backups.homes import home_at
home = home_at(Path(sys.argv[1]))
def told(fraction, stage):
    if stage == sys.argv[2]:
        print("there", flush=True)
        time.sleep(60)
home.backups.make(progress=told)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with two pictures, three pairs and a line in the audit log."""
    home = home_at(tmp_path / "home")
    home.add_picture(b"\x89PNG one")
    home.add_picture(os.urandom(300_000))
    home.add_pairs(3)
    noted(home)
    return home


def test_a_backup_is_good_after_its_rehearsal(home: Home) -> None:
    """The record has state, counts and the sum of the archive, which another reader confirms."""
    record = home.backups.make()
    path = home.backups.archive(record.id)
    assert (record.state, record.reason, record.files_included) == ("good", "by hand", True)
    assert (record.record_counts["images"], record.record_counts["patients"]) == (2, 3)
    assert (record.file_count, record.file_bytes) == (2, 8 + 300_000)
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert home.backups.list() == (record,)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        assert archive.testzip() is None
        for name in (n for n in names if n.startswith("files/")):
            assert hashlib.sha256(archive.read(name)).hexdigest() == name.removeprefix("files/")
    assert {"records/images.json", "audit/000001.jsonl", "secrets/audit.key"} <= names


def test_no_key_that_opens_a_door_is_in_it(home: Home) -> None:
    """Keys of sessions and tokens stay out: who gets an archive must not be signed in by it."""
    secrets = home.settings.home / "secrets"
    (secrets / "tokens.key").write_text("0" * 64)
    (secrets / "sessions.key").write_text("0" * 64)
    with zipfile.ZipFile(home.backups.archive(home.backups.make().id)) as archive:
        inside = [name for name in archive.namelist() if name.startswith("secrets/")]
    assert sorted(inside) == ["secrets/audit.end", "secrets/audit.key"]


def test_nothing_else_is_left_in_the_folder(home: Home) -> None:
    """After a backup there is the archive, and no scratch home anywhere."""
    home.backups.make()
    assert [path.suffix for path in home.archives()] == [".zip"]
    assert [path for path in home.settings.temp_folder.rglob("*") if path.is_file()] == []


def test_it_is_consistent_while_others_write(home: Home) -> None:
    """Pairs written all the time by another thread are never split between two collections."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            home.add_pairs(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = [home.backups.make().record_counts for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    assert [row["patients"] for row in counts] == [row["samples"] for row in counts]
    assert counts[0]["patients"] < counts[2]["patients"]


def test_an_archive_that_changes_before_its_rehearsal_is_bad(home: Home) -> None:
    """One byte turned around on the disk after the writing: the rehearsal finds it and says so."""

    def spoil(_fraction: float, stage: str) -> None:
        if stage == "reading the archive":
            (path,) = home.backups.folder.glob("*.zip")
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(bytes(data))

    with pytest.raises(BackupError, match="SHA-256"):
        home.backups.make(progress=spoil)
    (record,) = home.backups.list()
    assert record.state == "bad"
    assert "damaged or was altered" in record.error


def test_a_damaged_collection_is_named_and_nothing_is_called_good(home: Home) -> None:
    """A backup of records that cannot be read fails, and the history says why."""
    (home.store.folder / "images.json").write_bytes(b"torn")
    with pytest.raises(DamagedStoreError, match=r"images\.json"):
        home.backups.make()
    (record,) = home.backups.list()
    assert (record.state, record.file) == ("bad", "")
    assert home.archives() == []


def test_a_damaged_stored_file_is_left_out_and_told(home: Home) -> None:
    """One rotten file does not stop all backups; the record says how many are left out."""
    image = home.add_picture(b"will rot")
    with home.files.path(image.sha256) as path:
        path.chmod(0o600)
        path.write_bytes(b"has rotten")
    record = home.backups.make()
    assert (record.state, record.file_count) == ("good", 2)
    assert record.details["left_out_files"] == (image.sha256,)
    assert record.details["missing_files"] == (image.sha256,)


def test_progress_goes_up_to_the_end(home: Home) -> None:
    """The fractions never go back and end at 1; others see them while it lasts."""
    seen, stages = [], set()

    def told(fraction: float, stage: str) -> None:
        activity = home.backups.activity()
        assert activity is not None
        assert activity.kind == "backup"
        seen.append(fraction)
        stages.add(stage)

    home.backups.make(progress=told)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1] > 0.95) == (0.0, True)
    assert {"writing the archive", "reading every byte", "restoring into a scratch home"} <= stages
    assert home.backups.activity() is None


def test_two_at_once_are_not_mixed(home: Home) -> None:
    """While one is made, another is refused with the first one's progress."""

    def second(_fraction: float, stage: str) -> None:
        if stage == "writing the archive":
            with pytest.raises(BusyError, match="A backup is being made"):
                home.backups.make()

    assert home.backups.make(progress=second).state == "good"


@pytest.mark.parametrize("stage", ["writing the archive", "restoring into a scratch home"])
def test_killed_midway_leaves_nothing_half_made(home: Home, stage: str) -> None:
    """After ``kill -9`` the history is put right by the next backup, and no half is left."""
    process = subprocess.Popen(
        [sys.executable, "-c", _MAKE, str(home.settings.home), stage],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert home.backups.activity() is None
    good = home.backups.make()
    states = {record.id: record.state for record in home.backups.list()}
    assert states.pop(good.id) == "good"
    was_written = stage != "writing the archive"
    assert list(states.values()) == (["found"] if was_written else ["bad"])
    assert len(home.archives()) == (2 if was_written else 1)


def test_too_little_space_is_told_before_anything_is_written(home: Home, tmp_path: Path) -> None:
    """On a disk of 8 MB the backup is refused with both figures."""
    with small_disk(tmp_path / "disk", megabytes=8) as disk:
        small = home_at(home.settings.home, backup_dir=disk / "backups")
        with pytest.raises(DiskShortError, match=r"Expected 20\.\d MB free for the backup, but"):
            small.backups.make()
        assert small.archives() == []
        assert small.backups.list()[0].state == "bad"


def test_a_disk_that_runs_full_leaves_no_half(home: Home, tmp_path: Path) -> None:
    """Somebody else fills the disk while the archive is written: really full, and told so."""
    home.add_picture(os.urandom(6_000_000))
    with small_disk(tmp_path / "disk", megabytes=40) as disk:
        small = home_at(home.settings.home, backup_dir=disk / "backups")

        def fill(fraction: float, stage: str) -> None:
            if stage == "writing the archive" and not (disk / "other").exists():
                fill_up(disk / "other")

        with pytest.raises(DiskShortError, match="ran full during writing the backup"):
            small.backups.make(progress=fill)
        assert small.archives() == []
        (record,) = small.backups.list()
        assert (record.state, record.file) == ("bad", "")
        (disk / "other").unlink()
        assert small.backups.make().state == "good"


def test_a_quota_is_a_full_disk_too(home: Home) -> None:
    """A process that may write no file above 1 MB ends with the same sentence, and no half."""
    home.add_picture(os.urandom(3_000_000))
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from tests.engine.backups.homes import home_at\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "home_at(Path(sys.argv[1])).backups.make()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home.settings.home)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "DiskShortError: The disk of" in done.stderr
    assert home.archives() == []


def test_files_in_a_bucket_are_listed_not_carried(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With files in S3 the archive has their list, and they do not count as garbage."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    server = start_cloud_server(tmp_path)
    try:
        bucket = server.make_bucket("backups-test")
        far = home_at(
            tmp_path / "far",
            files_url=f"s3://{bucket}/lightbox",
            aws_endpoint_url=server.url,
            aws_region="eu-central-1",
        )
        image = far.add_picture(b"in the bucket")
        record = far.backups.make()
        assert (record.files_included, record.file_count) == (False, 1)
        with zipfile.ZipFile(far.backups.archive(record.id)) as archive:
            assert [n for n in archive.namelist() if n.startswith("files/")] == []
            row = json.loads(archive.read("files.jsonl"))
        assert row == {"sha256": image.sha256, "size": 13}
        from engine.backups import referenced_files

        assert referenced_files(far.settings) == {image.sha256}
        with far.store.images.transaction() as images:
            images.remove(image.id)
        far.backups.restore(record.id)
        assert image.id in far.store.images.read()
        far.files.remove(image.sha256)
        with pytest.raises(BackupError, match="no longer there"):
            far.backups.restore(record.id)
    finally:
        stop_cloud_server(server)


def test_before_shutdown_only_when_something_changed(home: Home) -> None:
    """A server that stops makes a backup, and none when nothing was done since the last one."""
    first = home.backups.before_shutdown()
    assert first is not None
    assert (first.state, first.reason) == ("good", "before shutdown")
    assert home.backups.before_shutdown() is None
    home.add_pairs(1)
    assert home.backups.before_shutdown() is not None


def test_before_shutdown_never_stands_in_the_way(home: Home) -> None:
    """Whatever is wrong, the server stops: the reason is logged."""
    (home.store.folder / "images.json").write_bytes(b"torn")
    assert home.backups.before_shutdown() is None


def test_the_clock_asks_for_the_first_one_at_once(home: Home) -> None:
    """None yet: due. A good one: due again after the interval, with a key that is the hour's."""
    assert home.backups.due() is not None
    made = home.backups.make().created_at
    assert home.backups.due(at=made + timedelta(hours=23)) is None
    at = made + timedelta(hours=24, seconds=1)
    assert home.backups.due(at=at) == home.backups.due(at=at) == f"backup-{at:%Y%m%dT%H}"


def test_after_a_failure_the_clock_waits_an_hour(home: Home) -> None:
    """A backup that failed is tried again, but not every minute."""
    (home.store.folder / "images.json").write_bytes(b"torn")
    with pytest.raises(DamagedStoreError, match="images"):
        home.backups.make("interval")
    assert home.backups.due() is None
    assert home.backups.due(at=now() + timedelta(minutes=61)) is not None


def test_an_interval_of_zero_means_never(tmp_path: Path) -> None:
    """Who sets the interval to 0 makes backups by other means."""
    assert home_at(tmp_path, backup_interval_h=0).backups.due() is None


def test_archives_from_elsewhere_are_found(home: Home, tmp_path: Path) -> None:
    """An archive that lies in the folder is listed and can be checked, even in a new home."""
    record = home.backups.make()
    other = home_at(tmp_path / "other")
    other.backups.folder.mkdir()
    name = home.backups.archive(record.id).name
    (other.backups.folder / name).write_bytes(home.backups.archive(record.id).read_bytes())
    (other.backups.folder / "holiday.zip").write_bytes(b"no backup")
    (found,) = other.backups.list()
    assert (found.id, found.state, found.created_at) == (record.id, "found", record.created_at)
    assert other.backups.verify(record.id).state == "good"
    assert other.backups.get("latest").id == record.id


def test_a_backup_is_named_by_the_beginning_of_its_id(home: Home) -> None:
    """Enough first letters do; too few, and unknown ones, are refused."""
    record = home.backups.make()
    assert home.backups.get(record.id[:12]).id == record.id
    for name in ("01", "zzzzzzzz", ""):
        with pytest.raises(NotFoundError, match="Expected the id of one backup"):
            home.backups.get(name)


def test_an_archive_that_was_removed_is_not_called_good(home: Home) -> None:
    """A record without its archive says that the archive is gone."""
    record = home.backups.make()
    home.backups.archive(record.id).unlink()
    (row,) = home.backups.list()
    assert (row.state, "no longer in the folder" in row.error) == ("bad", True)


def test_a_backup_that_rots_is_found_by_a_check(home: Home) -> None:
    """A later check reads every byte and takes the word 'good' back."""
    record = home.backups.make()
    path = home.backups.archive(record.id)
    data = bytearray(path.read_bytes())
    data[200] ^= 4
    path.write_bytes(bytes(data))
    with pytest.raises(BackupError, match=r"\w"):
        home.backups.verify(record.id)
    assert home.backups.get(record.id).state == "bad"


def test_the_only_good_one_is_not_removed(home: Home) -> None:
    """By hand any backup can go but the last good one; the audit log names who removed it."""
    record = home.backups.make()
    with pytest.raises(RequestError, match="only good backup"):
        home.backups.remove(record.id)
    second = home.backups.make()
    home.backups.remove(record.id)
    assert [row.id for row in home.backups.list()] == [second.id]
    assert home.audit.entries().entries[0].record == f"backups/{record.id}"


class small_disk:  # noqa: N801 – used as a context manager only
    """A real file system of a few megabytes, in memory."""

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        self._folder, self._megabytes = folder, megabytes

    def __enter__(self) -> Path:
        self._folder.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={self._megabytes}m", "tmpfs"]
        done = subprocess.run(["mount", *options, self._folder], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("a small file system can only be mounted by root")
        return self._folder

    def __exit__(self, *_: object) -> None:
        deadline = time.monotonic() + 5
        while subprocess.run(["umount", self._folder], check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def fill_up(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(100_000))
        except OSError:
            return
