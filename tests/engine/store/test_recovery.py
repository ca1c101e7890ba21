"""Damaged collections are named, and the last good version is put back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli import main
from engine.errors import DamagedStoreError, NotFoundError, StoreError
from engine.store import Store
from engine.store.records import Patient


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store whose patients have two versions: with one record, and with two."""
    store = Store(tmp_path / "records")
    for name in ("a", "b"):
        with store.patients.transaction() as changes:
            changes.put(Patient(id=name, patient_id=name))
    return store


def tear(store: Store) -> Path:
    """Cut the end of the patients' file off, as a failing disk would."""
    path = store.folder / "patients.json"
    path.write_bytes(path.read_bytes()[:-20])
    return path


def test_a_whole_store_has_no_damage(store: Store) -> None:
    """Nothing wrong, nothing told."""
    assert store.damage() == ()


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(
            path.read_bytes().replace(b'"patient_id":"a"', b'"patient_id":"z"')
        ),
        lambda path: path.write_bytes(b'{"_default": {"1": {"name": "plain TinyDB"}}}'),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"\0" * path.stat().st_size),
    ],
    ids=["cut", "emptied", "altered", "other program", "gone", "zeroed"],
)
def test_damage_is_named_with_the_version_that_can_be_had(store: Store, harm) -> None:  # type: ignore[no-untyped-def]
    """Whatever happened to the file, the good version is offered, put back, and used."""
    harm(store.folder / "patients.json")
    (damage,) = Store(store.folder).damage()
    assert (damage.name, damage.good_version, damage.good_count) == ("patients", 1, 1)
    assert "lightbox store recover patients" in str(damage)
    found = store.recover("patients")
    assert (found.version, found.count) == (1, 1)
    assert [patient.id for patient in Store(store.folder).patients.read()] == ["a"]
    assert store.damage() == ()


def test_the_damaged_file_is_kept(store: Store) -> None:
    """What is left in it may still be of use to somebody."""
    content = tear(store).read_bytes()
    aside = store.recover("patients").damaged_path
    assert aside is not None
    assert aside.read_bytes() == content
    assert aside.name.startswith("patients.damaged-")


def test_after_a_recovery_all_goes_on(store: Store) -> None:
    """The recovered version stays the previous one of the next; nothing is in the way."""
    tear(store)
    store.recover("patients")
    with store.patients.transaction() as changes:
        changes.put(Patient(id="c", patient_id="c"))
    assert [patient.id for patient in Store(store.folder).patients.read()] == ["a", "c"]
    tear(store)
    store.recover("patients")
    assert [patient.id for patient in store.patients.read()] == ["a"]


def test_nothing_is_recovered_that_is_not_damaged(store: Store) -> None:
    """A recovery would lose the last transaction of a collection that is fine."""
    with pytest.raises(NotFoundError, match="patients is not damaged: 2 records"):
        store.recover("patients")
    assert len(store.patients.read()) == 2


def test_without_a_good_version_a_backup_is_asked_for(store: Store) -> None:
    """When both versions are damaged, the sentence says what is left to do; nothing is changed."""
    tear(store)
    previous = store.folder / "patients.previous.json"
    previous.write_bytes(previous.read_bytes()[:-1])
    with pytest.raises(DamagedStoreError, match="No earlier version is there; restore a backup"):
        store.recover("patients")
    assert store.damage()[0].good_version == 0
    assert (store.folder / "patients.json").exists()


def test_the_latest_good_version_is_offered(store: Store) -> None:
    """A program killed while it swapped versions leaves the one before under a third name."""
    paths = store.patients.paths
    paths.kept.write_bytes(paths.current.read_bytes())
    tear(store)
    assert store.damage()[0].good_version == 2
    assert store.recover("patients").version == 2
    assert [patient.id for patient in store.patients.read()] == ["a", "b"]


def test_a_file_that_cannot_be_read_is_damage(store: Store) -> None:
    """What the operating system says stands in the sentence; the good version is offered."""
    (store.folder / "patients.json").unlink()
    (store.folder / "patients.json").mkdir()
    with pytest.raises(DamagedStoreError, match=r"\(Is a directory\)\. Version 1 of"):
        store.patients.read()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Where a file lies in the way, the sentence names the setting."""
    (tmp_path / "home").write_text("a file")
    with pytest.raises(StoreError, match=r"Expected a folder for records at .*set LIGHTBOX_HOME"):
        Store(tmp_path / "home" / "records")


def test_one_damaged_collection_leaves_the_others_usable(store: Store) -> None:
    """A store opens with a damaged collection, and only that one refuses."""
    tear(store)
    other = Store(store.folder)
    assert len(other.jobs.read()) == 0
    with pytest.raises(DamagedStoreError, match=r"patients\.json is damaged"):
        other.patients.read()
    with pytest.raises(DamagedStoreError, match=r"patients\.json is damaged"):
        other.read()


def test_the_first_version_alone_has_nothing_to_go_back_to(tmp_path: Path) -> None:
    """A collection that was written once and torn is damage, not an empty collection."""
    store = Store(tmp_path)
    with store.patients.transaction() as changes:
        changes.put(Patient(id="a", patient_id="a"))
    tear(store)
    with pytest.raises(DamagedStoreError, match="restore a backup"):
        Store(tmp_path).patients.read()


def test_restoring_replaces_what_is_there(store: Store) -> None:
    """All named collections become what was saved; those with ``None`` are emptied."""
    saved = store.patients.read().content()
    with store.transaction("patients", "jobs") as changes:
        changes["patients"].clear()
    store.restore({"patients": saved, "samples": None})
    assert [patient.id for patient in store.patients.read()] == ["a", "b"]
    assert [patient.id for patient in Store(store.folder).patients.read()] == ["a", "b"]
    assert len(store.samples.read()) == 0


def test_a_restore_goes_over_a_damaged_collection(store: Store) -> None:
    """That is what a backup is for; the damaged file is kept aside."""
    saved = store.patients.read().content()
    tear(store)
    store.restore({"patients": saved})
    assert [patient.id for patient in store.patients.read()] == ["a", "b"]
    assert len(list(store.folder.glob("patients.damaged-*.json"))) == 1


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda content: content[:-1], "should have"),
        (lambda _: b"", "it is empty"),
        (lambda content: content.replace(b'"a"', b'"b"', 1), "checksum"),
    ],
    ids=["cut", "empty", "altered"],
)
def test_a_damaged_backup_changes_nothing(store: Store, harm, message: str) -> None:  # type: ignore[no-untyped-def]
    """All of what is to be restored is read before anything is replaced."""
    saved = store.read("patients", "jobs")
    content = {"jobs": saved["jobs"].content(), "patients": harm(saved["patients"].content())}
    with store.jobs.transaction() as changes:
        changes.clear()
    before = {path.name: path.read_bytes() for path in store.folder.glob("*.json")}
    with pytest.raises(DamagedStoreError, match=f"should be restored are damaged.*{message}"):
        store.restore(content)
    assert {path.name: path.read_bytes() for path in store.folder.glob("*.json")} == before


def test_a_backup_of_another_collection_is_refused(store: Store) -> None:
    """Users are not restored from patients."""
    with pytest.raises(DamagedStoreError, match="it holds patients"):
        store.restore({"users": store.patients.read().content()})


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run ``lightbox store …``; return exit code, standard output and standard error."""
    code = main(["store", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_command_checks_and_recovers(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``lightbox store check`` ends with 1 while a collection is damaged; ``recover`` mends it."""
    monkeypatch.setenv("LIGHTBOX_HOME", str(store.folder.parent))
    code, out, _ = run(capsys, "check")
    assert (code, "ok    patients: 2 records, version 2" in out) == (0, True)
    tear(store)
    code, out, _ = run(capsys, "check")
    assert code == 1
    assert "FAIL  patients: " in out
    assert "ok    jobs: 0 records" in out
    code, out, _ = run(capsys, "recover", "patients")
    assert code == 0
    assert "patients: version 1 of " in out
    assert run(capsys, "check")[0] == 0


def test_the_command_prints_one_document(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With ``--json`` both steps answer with one JSON document."""
    monkeypatch.setenv("LIGHTBOX_HOME", str(store.folder.parent))
    tear(store)
    report = json.loads(run(capsys, "check", "--json")[1])
    assert report["healthy"] is False
    by_name = {document["name"]: document for document in report["collections"]}
    assert by_name["patients"]["good_version"] == 1
    assert by_name["users"] == {"name": "users", "ok": True, "version": 0, "count": 0}
    (document,) = json.loads(run(capsys, "recover", "patients", "--json")[1])["recovered"]
    assert (document["name"], document["version"], document["count"]) == ("patients", 1, 1)


@pytest.mark.parametrize(
    ("name", "message"), [("patients", "is not damaged"), ("people", "no collection 'people'")]
)
def test_the_command_refuses_what_makes_no_sense(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    message: str,
) -> None:
    """Exit code 2 and a sentence for a collection that is fine, or that is none."""
    monkeypatch.setenv("LIGHTBOX_HOME", str(store.folder.parent))
    code, out, err = run(capsys, "recover", name)
    assert (code, out) == (2, "")
    assert message in err
