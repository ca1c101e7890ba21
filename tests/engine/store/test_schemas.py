"""Older records become present ones; newer ones are refused."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DamagedStoreError, NewerStoreError
from engine.store import Store
from engine.store.layout import line_of, pack, unpack
from engine.store.records import CellType, Patient
from engine.store.schemas import ORIGINAL, Migration, Schema, migrated
from tests.engine.store.things import Thing, documents, thing_in

AT = datetime(2025, 5, 5, tzinfo=UTC)


def renamed(stored: dict[str, Any]) -> dict[str, Any]:
    stored["title"] = stored.pop("name")
    return stored


def counted(stored: dict[str, Any]) -> dict[str, Any]:
    return {**stored, "count": len(stored["title"])}


def without_empty(stored: dict[str, Any]) -> dict[str, Any] | None:
    return stored if stored["count"] else None


# Version 1 had `name`; 2 calls it `title`; 3 counts its letters; 4 drops those without any.
STEPS = (
    Migration(text="name is called title", change=renamed),
    Migration(text="letters are counted", change=counted),
    Migration(text="things without letters are dropped", change=without_empty),
)
PRESENT = Schema(steps=STEPS)


def write(folder: Path, records: dict[str, dict[str, Any]], *, schema: int, name: str) -> Path:
    """Write a collection as a Lightbox of that version would have left it."""
    lines = {key: line_of(key, orjson.dumps(value)) for key, value in records.items()}
    path = folder / f"{name}.json"
    path.write_bytes(b"".join(pack(lines, collection=name, schema=schema, version=9, at=AT)))
    return path


def old(name: str) -> dict[str, Any]:
    return {"created_at": "2025-01-01T00:00:00Z", "name": name}


def test_an_original_collection_is_of_version_1() -> None:
    """Without steps the version is 1; each step adds one."""
    assert ORIGINAL.version == 1
    assert PRESENT.version == 4


def test_old_records_are_read_as_present_ones(tmp_path: Path) -> None:
    """A file of version 1 goes through all steps, in order, when it is read."""
    write(tmp_path, {"a": old("abc"), "b": old(""), "c": old("d")}, schema=1, name="things")
    snapshot = thing_in(tmp_path, PRESENT).read()
    assert [(thing.id, thing.title, thing.count) for thing in snapshot] == [
        ("a", "abc", 3),
        ("c", "d", 1),
    ]
    assert (snapshot.stored_schema, snapshot.schema) == (1, 4)


@pytest.mark.parametrize("schema", [1, 2, 3, 4])
def test_any_older_version_takes_only_the_steps_that_it_lacks(tmp_path: Path, schema: int) -> None:
    """From version 2 the name is not renamed again, from 3 nothing is counted, and so on."""
    stored = old("abc")
    for step in STEPS[: schema - 1]:
        stored = step.change(stored) or {}
    write(tmp_path, {"a": stored}, schema=schema, name="things")
    assert thing_in(tmp_path, PRESENT).read()["a"].count == 3


def test_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Version 5 is unknown here: neither read nor overwritten, and the sentence says why."""
    path = write(tmp_path, {"a": old("abc")}, schema=5, name="things")
    content = path.read_bytes()
    collection = thing_in(tmp_path, PRESENT)
    with pytest.raises(NewerStoreError, match=r"things\.json is of version 5, .* up to version 4"):
        collection.read()
    with (
        pytest.raises(NewerStoreError, match="start the newer Lightbox"),
        collection.transaction(),
    ):
        pass
    assert path.read_bytes() == content


def test_a_migration_that_makes_no_record_is_told(tmp_path: Path) -> None:
    """A step that leaves a field out is found when the record is asked for, with its name."""
    bad = Schema(steps=(Migration(text="forgets", change=lambda _: {"title": "x"}),))
    write(tmp_path, {"a": old("abc")}, schema=1, name="things")
    with pytest.raises(
        DamagedStoreError, match=r"Record a in things\.json .*`created_at` is absent"
    ):
        thing_in(tmp_path, bad).read().values()


@given(
    st.dictionaries(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), documents(), max_size=5),
    st.integers(1, 4),
)
def test_migrating_in_one_go_is_migrating_in_two(
    records: dict[str, dict[str, Any]], middle: int
) -> None:
    """Stopping at any version between, and going on from there, gives the same records."""
    lines = {
        name: line_of(name, orjson.dumps({**extra, **old("x" * len(name))}))
        for name, extra in records.items()
    }
    half = Schema(steps=STEPS[: middle - 1])
    at_once = migrated(lines, 1, PRESENT)
    assert migrated(migrated(lines, 1, half), half.version, PRESENT) == at_once
    assert migrated(at_once, PRESENT.version, PRESENT) == at_once
    assert list(at_once) == list(lines)


@settings(max_examples=25, deadline=None)
@given(documents())
def test_unknown_fields_survive_a_migration(
    tmp_path_factory: pytest.TempPathFactory, unknown: dict[str, Any]
) -> None:
    """What no step touches is carried along, through reading, changing and writing."""
    folder = tmp_path_factory.mktemp("records")
    extra = {f"x {key}": value for key, value in unknown.items()}
    write(folder, {"a": {**old("abc"), **extra}}, schema=1, name="things")
    collection = thing_in(folder, PRESENT)
    with collection.transaction() as changes:
        changes.put(dataclasses.replace(changes["a"], done=True))
    about, lines = unpack(collection.paths.current.read_bytes())
    stored = json.loads(b"{" + lines["a"] + b"}")["a"]
    assert about.schema == 4
    assert {key: stored[key] for key in extra} == json.loads(orjson.dumps(extra))
    assert (stored["title"], stored["done"]) == ("abc", True)


# The studio's own collections, as if two of them had changed their form.
RAISED = {
    "patients": Schema(steps=(Migration(text="age is known", change=lambda s: {**s, "age": 7}),)),
    "cell_types": Schema(steps=(Migration(text="loud", change=lambda s: {**s, "key": "k"}),)),
}


def filled(folder: Path) -> Path:
    """Make records of version 1: two patients and a cell type."""
    store = Store(folder)
    with store.transaction("patients", "cell_types") as changes:
        changes["patients"].put(Patient(id="p1", patient_id="1"))
        changes["patients"].put(Patient(id="p2", patient_id="2"))
        changes["cell_types"].put(CellType(id="c", name="RBC"))
    return folder


def test_opening_a_store_migrates_it_after_a_backup(tmp_path: Path) -> None:
    """The hook runs once, before anything is rewritten, and is told what will be done."""
    filled(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    told: list[str] = []

    def back_up(reason: str) -> None:
        told.append(reason)
        assert {path.name: path.read_bytes() for path in tmp_path.glob("*.json")} == before

    store = Store(tmp_path, schemas=RAISED, before_migration=back_up)
    assert told == [
        "before migration of cell_types from version 1 to 2, patients from version 1 to 2"
    ]
    assert {patient.age for patient in store.patients.read()} == {7}
    assert unpack((tmp_path / "patients.json").read_bytes())[0].schema == 2
    assert (tmp_path / "patients.form1.json").read_bytes() == before["patients.json"]
    Store(tmp_path, schemas=RAISED, before_migration=back_up)
    assert len(told) == 1


def test_no_backup_no_migration(tmp_path: Path) -> None:
    """When the hook fails, the error goes on and every file is as it was."""
    filled(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(reason: str) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        Store(tmp_path, schemas=RAISED, before_migration=fail)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_store_of_a_newer_lightbox_is_refused(tmp_path: Path) -> None:
    """Going back to an older version is told when the store is opened, not when data is lost."""
    filled(tmp_path)
    Store(tmp_path, schemas=RAISED)
    with pytest.raises(
        NewerStoreError, match=r"cell_types\.json is of version 2.* up to version 1"
    ):
        Store(tmp_path)


def test_what_a_newer_lightbox_wrote_can_be_replaced_by_a_backup(tmp_path: Path) -> None:
    """Opened for a restore, nothing is read or migrated; a backup of before the update goes in."""
    filled(tmp_path)
    saved = {name: Store(tmp_path)[name].read().content() for name in RAISED}
    Store(tmp_path, schemas=RAISED)
    store = Store(tmp_path, for_restore=True)
    store.restore(dict(saved))
    assert {patient.age for patient in Store(tmp_path).patients.read()} == {None}
    assert len(list(tmp_path.glob("patients.damaged-*.json"))) == 1


def test_a_backup_of_an_older_form_is_migrated_when_it_is_restored(tmp_path: Path) -> None:
    """What was saved before the update is restored in the present form."""
    filled(tmp_path)
    saved = Store(tmp_path).patients.read().content()
    store = Store(tmp_path, schemas=RAISED)
    with store.patients.transaction() as changes:
        changes.clear()
    store.restore({"patients": saved})
    assert [(patient.id, patient.age) for patient in store.patients.read()] == [
        ("p1", 7),
        ("p2", 7),
    ]
    assert unpack((tmp_path / "patients.json").read_bytes())[0].schema == 2


def test_things_of_the_present_version_are_not_touched(tmp_path: Path) -> None:
    """Lines of the present version are handed on as they are."""
    lines = {"a": line_of("a", b'{"z":1}')}
    assert migrated(lines, 1, ORIGINAL) is lines
    assert thing_in(tmp_path).read().values() == ()
    assert Thing(title="x").count == 0
