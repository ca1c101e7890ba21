"""Programs killed while they write: what was acknowledged stays, and all can be read."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.store import Store
from engine.store.records import CellType, Patient, Sample
from engine.store.schemas import Migration, Schema
from tests.engine.store.things import Thing, steps_until_done, thing_in

WRITER = """
import sys
from pathlib import Path
from engine.store import Store
from engine.store.records import CellType, Patient, Sample

store = Store(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 1_000_000):
    if sys.argv[3] == "one":
        with store.cell_types.transaction() as t:
            t.put(CellType(id=f"c{number}", name="x" * 300))
            t.remove(f"c{number - 50}")
    else:
        with store.transaction("patients", "samples") as t:
            t["patients"].put(Patient(id="p", patient_id=str(number), comments="x" * 20_000))
            t["samples"].put(Sample(id="s", patient_id="p", original_filename=str(number)))
    print(number, flush=True)
"""


def killed_after(folder: Path, *, first: int, kind: str, seconds: float) -> int:
    """Let a program write until it is killed; return the last number that it acknowledged."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(first), kind],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    with writer.stdout:
        last = int(writer.stdout.readline())
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            last = int(line) if line.endswith("\n") else last
    writer.wait()
    return last


def test_kill_9_at_random_moments_loses_no_acknowledged_transaction(tmp_path: Path) -> None:
    """After each kill, another program reads every record up to the last acknowledged one.

    At most the one that was not acknowledged may be there in addition. The benchmark
    ``store_transactions`` does the same 200 times.
    """
    moments = random.Random(4)
    last = 0
    for _ in range(6):
        last = killed_after(
            tmp_path, first=last + 1, kind="one", seconds=moments.uniform(0.0, 0.05)
        )
        names = {record.id for record in Store(tmp_path).cell_types.read()}
        expected = {f"c{number}" for number in range(max(1, last - 49), last + 1)}
        further = {f"c{number}" for number in range(max(1, last - 48), last + 2)}
        assert names in (expected, further)
        last += f"c{last + 1}" in names
    assert Store(tmp_path).damage() == ()


def test_kill_9_never_leaves_half_of_a_change_of_several(tmp_path: Path) -> None:
    """After each kill, patient and sample have the same number: of the last change or the next."""
    moments = random.Random(5)
    last = 0
    for _ in range(6):
        last = killed_after(
            tmp_path, first=last + 1, kind="several", seconds=moments.uniform(0.0, 0.05)
        )
        store = Store(tmp_path)
        numbers = {store.samples.read()["s"].original_filename}
        numbers |= {patient.patient_id for patient in store.patients.read()}
        assert numbers in ({str(last)}, {str(last + 1)})
        last = int(numbers.pop())


def test_killed_before_any_step_a_transaction_is_whole_or_absent(tmp_path: Path) -> None:
    """Killed before each open, half a write, sync, rename …: the old version or the new one.

    The next transaction goes on from it.
    """
    collection = thing_in(tmp_path)
    counts = iter(range(1, 1000))

    def prepare() -> None:
        with collection.transaction() as changes:
            changes.put(Thing(id="a", title="old", count=next(counts)))

    def work() -> None:
        with thing_in(tmp_path).transaction() as changes:
            changes.put(Thing(id="a", title="new"))

    steps = steps_until_done(work, prepare)
    outcomes = [thing_in(tmp_path).read()["a"].title for _ in steps]
    assert outcomes == sorted(outcomes, reverse=True)  # old until the rename, new from then on
    assert len(outcomes) > 8
    assert set(outcomes) == {"old", "new"}


def test_a_version_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File synced, then moved into place, then the folder synced: a power cut loses nothing told.

    Only then does the transaction return.
    """
    collection = thing_in(tmp_path)
    for title in ("a", "b"):
        with collection.transaction() as changes:
            changes.put(Thing(id="a", title=title))
    done: list[str] = []

    def spy(name: str) -> None:
        original = getattr(os, name)

        def call(*given: Any, **named: Any) -> Any:
            is_folder = name == "fsync" and stat.S_ISDIR(os.fstat(given[0]).st_mode)
            what = "folder" if is_folder else Path(given[0]).name if name == "replace" else ""
            done.append(f"{name} {what}".strip())
            return original(*given, **named)

        monkeypatch.setattr(os, name, call)

    for name in ("writev", "fsync", "link", "replace"):
        spy(name)
    with collection.transaction() as changes:
        changes.put(Thing(id="a", title="c"))
    monkeypatch.undo()
    assert done == [
        *("writev", "fsync"),  # the new version beside the present one
        "link",  # the present one keeps a second name
        "replace .things.new",  # the new one takes its place,
        "replace .things.kept",  # and the old one becomes the previous
        "fsync folder",
    ]


def test_killed_before_any_step_a_change_of_several_is_whole_or_absent(tmp_path: Path) -> None:
    """At each step, both collections are as before or both as after; readers in either order."""
    store = Store(tmp_path)
    counts = iter(range(1, 1000))

    def put_pair(store: Store, text: str) -> None:
        with store.transaction("patients", "samples") as changes:
            changes["patients"].put(Patient(id="p", patient_id=text))
            changes["samples"].put(Sample(id="s", patient_id="p", original_filename=text))

    outcomes = []
    steps = steps_until_done(
        lambda: put_pair(Store(tmp_path), "new"), lambda: put_pair(store, f"old {next(counts)}")
    )
    for step in steps:
        after = Store(tmp_path)
        if step % 2:
            sample = after.samples.read()["s"].original_filename
            patient = after.patients.read()["p"].patient_id
        else:
            patient = after.patients.read()["p"].patient_id
            sample = after.samples.read()["s"].original_filename
        assert patient == sample
        outcomes.append(patient[:3])
    assert outcomes == sorted(outcomes, reverse=True)
    assert len(outcomes) > 20
    assert set(outcomes) == {"old", "new"}


def test_killed_before_any_step_a_recovery_can_be_done_again(tmp_path: Path) -> None:
    """A recovery that was cut off leaves the good version to be had, or has put it back."""
    store = Store(tmp_path)

    def prepare() -> None:
        for path in tmp_path.iterdir():
            path.unlink()
        for name in ("a", "b"):
            with Store(tmp_path).cell_types.transaction() as changes:
                changes.put(CellType(id=name, name=name))
        (tmp_path / "cell_types.json").write_bytes(b"torn")

    steps = 0
    for _ in steps_until_done(lambda: Store(tmp_path).recover("cell_types"), prepare):
        if store.damage():
            store.recover("cell_types")
        assert [record.id for record in Store(tmp_path).cell_types.read()] == ["a"]
        steps += 1
    assert steps > 8


def test_killed_before_any_step_a_migration_can_be_done_again(tmp_path: Path) -> None:
    """Records are of the old form or of the new one, all of them, and opening again finishes."""
    raised = {
        name: Schema(steps=(Migration(text="marked", change=lambda s: {**s, "comments": "new"}),))
        for name in ("patients", "patient_annotations")
    }

    def prepare() -> None:
        for path in tmp_path.iterdir():
            path.unlink()
        with Store(tmp_path).patients.transaction() as changes:
            changes.put(Patient(id="p", patient_id="1"))

    steps = 0
    for _ in steps_until_done(lambda: Store(tmp_path, schemas=raised), prepare):
        found = Store(tmp_path, schemas=raised).patients.read()
        assert [patient.comments for patient in found] == ["new"]
        assert found.stored_schema == 2
        steps += 1
    assert steps > 8


def test_eight_processes_lose_nothing(tmp_path: Path) -> None:
    """8 processes that count in one collection come to the sum, and each keeps its own record.

    The benchmark does 500 transactions each; here it is 12.
    """
    code = """
import dataclasses, sys
from pathlib import Path
from engine.store import Store
from engine.store.records import CellType

store = Store(Path(sys.argv[1]))
for number in range(12):
    with store.cell_types.transaction() as t:
        total = t["total"]
        t.put(dataclasses.replace(total, name=str(int(total.name) + 1)))
        t.put(CellType(id=f"own-{sys.argv[2]}-{number}", name="x"))
"""
    store = Store(tmp_path)
    with store.cell_types.transaction() as changes:
        changes.put(CellType(id="total", name="0"))
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)])
        for number in range(8)
    ]
    assert [worker.wait(60) for worker in workers] == [0] * 8
    snapshot = store.cell_types.read()
    assert snapshot["total"].name == str(8 * 12)
    assert len(snapshot) == 1 + 8 * 12
    assert snapshot.version == 1 + 8 * 12
