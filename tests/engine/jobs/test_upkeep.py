"""Looking after stored files: as a job with progress and resumption, and on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.errors import DamagedFileError, RequestError
from engine.jobs import upkeep
from engine.jobs.context import JobContext
from engine.jobs.folders import write_json
from engine.jobs.tasks import TASKS
from engine.people.audit import open_audit
from engine.settings import Settings
from engine.store import Store
from engine.store.files import FileRef, Files, open_files
from engine.store.files.named import named_files
from engine.store.records import BackupRecord, Image, Job, Mask, ModelRecord, NamedFile

ROOT = Path(__file__).parents[3]


@dataclass
class Home:
    """A home with records and files."""

    settings: Settings
    store: Store
    files: Files

    def put(self, text: str, *, hours_ago: float = 2.0) -> FileRef:
        """Store a file as if it had been put some time ago."""
        ref = self.files.put(text.encode(), media_type="text/plain")
        then = time.time() - 3600 * hours_ago
        os.utime(self.path(ref), (then, then))
        return ref

    def path(self, ref: FileRef) -> Path:
        """Where a file lies."""
        return self.settings.home / "files" / ref.sha256[:2] / ref.sha256

    def name(self, ref: FileRef) -> Image:
        """Give a file a record."""
        with self.store.images.transaction() as images:
            return images.put(Image(name="a", sha256=ref.sha256, media_type="text/plain"))

    def context(self, task: str, **payload: Any) -> JobContext:
        """Return the context of a job of that task."""
        job = Job(task=task, payload=TASKS[task].check(payload))
        with self.store.jobs.transaction() as jobs:
            jobs.put(job)
        context = JobContext(job, self.settings, store=self.store)
        assert context.folder.is_dir()  # a worker makes it before the task begins
        return context

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``lightbox files`` on this home."""
        return subprocess.run(
            [sys.executable, "-m", "engine.cli", "files", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self.settings.as_mapping()},
        )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    settings = Settings(home=tmp_path, memory_floor_mb=0)
    return Home(settings, Store(tmp_path / "records"), open_files(settings))


def damage(home: Home, ref: FileRef) -> None:
    home.path(ref).chmod(0o600)
    home.path(ref).write_bytes(b"rotten")


def test_whole_files_verify(home: Home) -> None:
    """The closing sentence counts them."""
    for number in range(3):
        home.put(str(number))
    assert upkeep.verify(home.context("verify_files")) == "All 3 files are whole."


def test_damaged_and_missing_files_fail_the_job(home: Home) -> None:
    """The sentence counts them, and the log names each with what to do."""
    bad, gone, _ = (home.put(text) for text in ("bad", "gone", "whole"))
    image = home.name(gone)
    damage(home, bad)
    home.files.remove(gone.sha256)
    context = home.context("verify_files")
    with pytest.raises(DamagedFileError, match="2 of 3 files are damaged or missing"):
        upkeep.verify(context)
    log = (home.settings.home / "jobs" / context.job.id / "log.txt").read_text()
    assert f"Expected file {bad.sha256}" in log
    assert f"Record images/{image.id} names file {gone.sha256}, but it is not in" in log


def test_verifying_goes_on_where_it_was_killed(home: Home) -> None:
    """What was read before is not read again, and what was found bad is not forgotten."""
    refs = sorted((home.put(str(number)) for number in range(4)), key=lambda ref: ref.sha256)
    damage(home, refs[0])  # would be found again if it were read again
    damage(home, refs[3])
    context = home.context("verify_files")
    write_json(context.folder / "verified.json", {"after": refs[1].sha256, "bad": []})
    with pytest.raises(DamagedFileError, match=f"1 of 4 files .* {refs[3].sha256} first"):
        upkeep.verify(context)


def test_garbage_is_listed_or_removed_by_a_job(home: Home) -> None:
    """Dry run first; then only what nothing names goes, and never what was just put."""
    named, loose, young = home.put("named"), home.put("loose"), home.put("young", hours_ago=0)
    home.name(named)
    dry = home.context("collect_garbage")
    assert "1 of 3 files" in upkeep.collect(dry)
    assert home.path(loose).exists()
    upkeep.collect(home.context("collect_garbage", dry_run=False))
    assert [home.path(ref).exists() for ref in (named, loose, young)] == [True, False, True]
    entry = open_audit(home.settings).entries().entries[0]
    assert (entry.action, entry.details["removed"]) == ("files.collect", 1)
    log = (home.settings.home / "jobs" / dry.job.id / "log.txt").read_text()
    assert loose.sha256 in log


def test_what_a_checkpoint_names_stays(home: Home) -> None:
    """A failed job may be retried tomorrow and finds its files."""
    saved = home.put("saved")
    context = home.context("verify_files")
    write_json(context.folder / "state.json", {"files": [saved.sha256]})
    upkeep.collect(home.context("collect_garbage", dry_run=False))
    assert home.path(saved).exists()


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"dry_run": "no"}, "'dry_run' must be true or false"),
        ({"older_than_s": 10}, "from 3600"),
        ({"older_than_s": True}, "from 3600"),
        ({"older_than_s": float("nan")}, "from 3600"),
        ({"force": 1}, "but got force"),
    ],
)
def test_a_job_cannot_be_told_to_take_young_files(payload: dict[str, Any], words: str) -> None:
    """The limit of an hour is not for callers to lower."""
    with pytest.raises(RequestError, match=words):
        TASKS["collect_garbage"].check(payload)


def test_fields_that_name_files_are_found(home: Home) -> None:
    """Flat, optional and nested ones; the sum of a backup's archive is no stored file."""
    digits = {letter: letter * 64 for letter in "abcde"}
    with home.store.transaction("masks", "models", "backups") as records:
        mask = Mask(image_id="i", sha256=digits["a"], strokes_sha256=digits["b"])
        records["masks"].put(mask)
        weights = NamedFile(name="weights", sha256=digits["c"], size_bytes=1)
        records["models"].put(ModelRecord(name="m", files=(weights,), card={"sha256": digits["d"]}))
        records["backups"].put(BackupRecord(sha256=digits["e"]))
    found = named_files(home.store)
    assert set(found) == {digits[letter] for letter in "abcd"}
    assert found[digits["a"]] == f"masks/{mask.id}"


def test_the_command_line_lists_verifies_and_collects(home: Home) -> None:
    """The same three steps for an operator; exit code 1 for damage."""
    loose, bad = home.put("loose"), home.put("bad")
    home.name(bad)
    damage(home, bad)
    listed = json.loads(home.command("list", "--json").stdout)
    assert {row["sha256"] for row in listed["files"]} == {loose.sha256, bad.sha256}
    verified = home.command("verify", "--json")
    assert verified.returncode == 1
    assert [row["sha256"] for row in json.loads(verified.stdout)["bad"]] == [bad.sha256]
    assert "say --remove to remove them" in home.command("collect").stdout
    assert home.path(loose).exists()
    removed = json.loads(home.command("collect", "--remove", "--json").stdout)
    assert (removed["removed"], removed["freed"]) == (1, 5)
    assert not home.path(loose).exists()
