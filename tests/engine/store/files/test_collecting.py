"""Garbage: what no record names goes; what anything may still need stays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.errors import DamagedStoreError, RequestError
from engine.store import Store, now
from engine.store.files import FileRef, Files, references
from engine.store.records import Image, Job, Mask

HOUR = 3600


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Empty records."""
    return Store(tmp_path / "records")


def put(files: Files, text: str) -> FileRef:
    return files.put(text.encode(), media_type="text/plain")


def name(store: Store, ref: FileRef) -> None:
    with store.images.transaction() as images:
        images.put(Image(name="picture", sha256=ref.sha256, media_type=ref.media_type))


def make_older(files: Files, ref: FileRef, by_s: float) -> None:
    """Set back the time of a file in a folder."""
    path = files.place.local_path(ref.sha256)
    assert path is not None
    then = time.time() - by_s
    os.utime(path, (then, then))


@pytest.fixture
def folder_files(tmp_path: Path) -> Iterator[Files]:
    """A folder: there a test may set back the clock of a file."""
    from engine.settings import Settings
    from engine.store.files import open_files

    return open_files(Settings(home=tmp_path))


def test_a_dry_run_tells_and_touches_nothing(files: Files, store: Store) -> None:
    """The report names the file and its bytes; it is still there."""
    named, loose = put(files, "named"), put(files, "loose!")
    name(store, named)
    found = files.collect(store, older_than_s=0)
    assert [file.sha256 for file in found.unreferenced] == [loose.sha256]
    assert (found.total, found.size, found.removed, found.freed) == (2, 6, 0, 0)
    assert found.dry_run
    assert "1 of 2 files (0.0 MB) are named by no record and could go." in found.sentence
    assert files.exists(loose.sha256)


def test_unreferenced_files_go_and_others_stay(files: Files, store: Store) -> None:
    """After a collection exactly the named files are left."""
    named, loose = put(files, "named"), put(files, "loose!")
    name(store, named)
    found = files.collect(store, dry_run=False, older_than_s=0)
    assert (found.removed, found.freed) == (1, 6)
    assert "1 removed, 0.0 MB freed" in found.sentence
    assert [file.sha256 for file in files.list()] == [named.sha256]
    assert not files.exists(loose.sha256)


def test_a_file_just_put_is_never_taken(files: Files, store: Store) -> None:
    """Its record may come in a moment: the usual limit is one hour."""
    loose = put(files, "loose")
    found = files.collect(store, dry_run=False)
    assert (found.unreferenced, found.young, found.removed) == ((), 1, 0)
    assert "1 more are too young to judge" in found.sentence
    assert files.exists(loose.sha256)


def test_putting_again_makes_young(folder_files: Files, store: Store) -> None:
    """Bytes that lay there unreferenced for days are safe once somebody puts them again."""
    loose = put(folder_files, "loose")
    make_older(folder_files, loose, 48 * HOUR)
    put(folder_files, "loose")
    assert folder_files.collect(store, dry_run=False).removed == 0
    make_older(folder_files, loose, 48 * HOUR)
    assert folder_files.collect(store, dry_run=False).removed == 1


def test_a_file_that_became_young_during_the_collection_stays(
    folder_files: Files, store: Store
) -> None:
    """Put again between the listing and the removal: the last look at its age saves it."""
    loose = put(folder_files, "loose")
    make_older(folder_files, loose, 48 * HOUR)

    def put_again(_fraction: float, stage: str) -> None:
        if stage.startswith("removing"):
            put(folder_files, "loose")

    assert folder_files.collect(store, dry_run=False, tell=put_again).removed == 0
    assert folder_files.exists(loose.sha256)


def test_a_record_written_during_the_collection_counts(folder_files: Files, store: Store) -> None:
    """Named between the listing and the reading of the records: it stays."""
    loose = put(folder_files, "loose")
    make_older(folder_files, loose, 48 * HOUR)

    def name_it(_fraction: float, stage: str) -> None:
        if stage == "reading records":
            name(store, loose)

    assert folder_files.collect(store, dry_run=False, tell=name_it).removed == 0


def test_what_an_unfinished_job_may_hold_stays(folder_files: Files, store: Store) -> None:
    """A job that began before the file was put may write its record hours later."""
    loose = put(folder_files, "loose")
    make_older(folder_files, loose, 2 * HOUR)
    begun = now() - timedelta(hours=3)
    job = Job(task="import", state="processing", created_at=begun, started_at=begun)
    with store.jobs.transaction() as jobs:
        jobs.put(job)
    found = folder_files.collect(store, dry_run=False)
    assert (found.removed, found.young, found.held_by_job) == (0, 1, job.id)
    assert f"the unfinished job {job.id}" in found.sentence
    with store.jobs.transaction() as jobs:
        jobs.put(replace(job, state="completed"))
    assert folder_files.collect(store, dry_run=False).removed == 1


def test_the_version_before_counts_too(folder_files: Files, store: Store) -> None:
    """A collection may have to be put back to its previous version: its files are still there."""
    first = put(folder_files, "first")
    make_older(folder_files, first, 48 * HOUR)
    mask = Mask(image_id="image", sha256=first.sha256)
    with store.masks.transaction() as masks:
        masks.put(mask)
    with store.masks.transaction() as masks:
        masks.remove(mask.id)
    assert folder_files.collect(store, dry_run=False).removed == 0
    with store.masks.transaction() as masks:
        masks.put(Mask(image_id="image", sha256="0" * 64))
    assert folder_files.collect(store, dry_run=False).removed == 1


def test_a_damaged_collection_stops_everything(folder_files: Files, store: Store) -> None:
    """What a torn file named is unknown, so nothing may go."""
    named, loose = put(folder_files, "named"), put(folder_files, "loose")
    name(store, named)
    for ref in (named, loose):
        make_older(folder_files, ref, 48 * HOUR)
    path = store.folder / "images.json"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DamagedStoreError, match=r"images\.json"):
        folder_files.collect(Store(store.folder), dry_run=False)
    assert len(list(folder_files.list())) == 2


def test_names_from_outside_the_records_count(folder_files: Files, store: Store) -> None:
    """Manifests of backups and checkpoints of jobs keep their files."""
    kept, saved, loose = (put(folder_files, text) for text in ("kept", "saved", "loose"))
    for ref in (kept, saved, loose):
        make_older(folder_files, ref, 48 * HOUR)
    checkpoints = store.folder.parent / "jobs"
    (checkpoints / "one" / "checkpoint").mkdir(parents=True)
    (checkpoints / "one" / "checkpoint" / "state.json").write_text(f'["{saved.sha256}"]')
    found = folder_files.collect(
        store, dry_run=False, also_kept={kept.sha256}, also_read=[checkpoints]
    )
    assert [file.sha256 for file in found.unreferenced] == [loose.sha256]


def test_records_that_name_nothing_do_not_empty_a_full_place(
    folder_files: Files, store: Store
) -> None:
    """Lost records look like this: 20 files and none named need a second word."""
    for number in range(20):
        make_older(folder_files, put(folder_files, str(number)), 48 * HOUR)
    assert len(folder_files.collect(store).unreferenced) == 20
    with pytest.raises(RequestError, match="No record names any of the 20 files"):
        folder_files.collect(store, dry_run=False)
    assert folder_files.collect(store, dry_run=False, everything=True).removed == 20


def test_what_killed_writers_left_goes_too(folder_files: Files, store: Store) -> None:
    """Half-written files go after an hour, and not before."""
    put(folder_files, "one")
    old, young = (folder_files.place.incoming / f"part-{word}" for word in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * HOUR,) * 2)
    assert folder_files.collect(store).leftovers == 1
    assert old.exists()
    assert folder_files.collect(store, dry_run=False, older_than_s=0).leftovers == 1
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize("age_s", [-1, float("nan"), float("inf")])
def test_an_age_is_a_number_of_seconds(folder_files: Files, store: Store, age_s: float) -> None:
    """Other limits are refused."""
    with pytest.raises(RequestError, match="older_than_s must be 0 or more"):
        folder_files.collect(store, older_than_s=age_s)


def test_a_name_across_two_chunks_is_seen(tmp_path: Path) -> None:
    """Wherever a name lies in a large file of records, it counts."""
    digits = "0123456789abcdef" * 4
    for offset in (-65, -64, -63, -32, -1, 0, 1):
        text = b" " * ((1 << 22) + offset) + digits.encode() + b'"'
        (tmp_path / "big.json").write_bytes(text)
        assert digits in references.in_records(tmp_path)


def test_the_audit_log_holds_no_file(tmp_path: Path) -> None:
    """Its chain of hashes names lines, not files."""
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "1.jsonl").write_text("0" * 64)
    assert references.in_records(tmp_path) == set()


def test_a_ping_says_where_files_go(files: Files) -> None:
    """One sentence for the monitoring page, and nothing is left behind."""
    assert files.place.address in files.ping()
    assert list(files.list()) == []
