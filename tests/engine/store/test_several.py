"""Changes to several collections: all or nothing."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BusyError, NotFoundError
from engine.store import Store, intents
from engine.store import store as store_module
from engine.store.intents import intent_path
from engine.store.locks import locked
from engine.store.records import CellType, Patient, Sample


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def put_pair(store: Store, name: str, text: str) -> None:
    """Change a patient and a sample of one id together."""
    with store.transaction("samples", "patients") as changes:
        changes["patients"].put(Patient(id=name, patient_id=text))
        changes["samples"].put(Sample(id=name, patient_id=name, original_filename=text))


def test_changes_are_seen_together(store: Store) -> None:
    """After the block, every program sees both; no intent is left."""
    put_pair(store, "a", "first")
    other = Store(store.folder)
    assert other.patients.read()["a"].patient_id == "first"
    assert other.samples.read()["a"].original_filename == "first"
    assert not intent_path(store.folder).exists()
    assert list(store.folder.glob(".*.joint")) == []


def test_an_exception_leaves_all_as_it_was(store: Store) -> None:
    """None of the collections is changed when the block fails."""
    put_pair(store, "a", "first")
    with suppress(ZeroDivisionError), store.transaction("patients", "samples") as changes:
        changes["patients"].remove("a")
        changes["samples"].remove("a")
        _ = 1 / 0
    assert "a" in store.patients.read()
    assert "a" in store.samples.read()


def test_only_what_changed_is_written(store: Store) -> None:
    """A collection that was only read in the block gets no new version."""
    put_pair(store, "a", "first")
    with store.transaction("patients", "samples") as changes:
        assert changes["samples"]["a"].patient_id == "a"
        changes["patients"].remove("a")
    assert (store.patients.read().version, store.samples.read().version) == (2, 1)
    assert list(changes) == ["patients", "samples"]


def test_a_disk_error_in_the_middle_leaves_all_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the second new version cannot be written, the first one is dropped."""
    put_pair(store, "a", "first")
    (store.folder / ".samples.joint").mkdir()  # a folder lies where the file would be written
    with pytest.raises(Exception, match=r"\.samples\.joint could not be written"):
        put_pair(store, "a", "second")
    (store.folder / ".samples.joint").rmdir()
    assert not (store.folder / ".patients.joint").exists()
    assert store.patients.read()["a"].patient_id == "first"
    put_pair(store, "a", "third")
    assert store.samples.read()["a"].original_filename == "third"


def test_a_name_that_is_no_collection_is_told(store: Store) -> None:
    """The sentence lists the names that there are."""
    with (
        pytest.raises(NotFoundError, match="no collection 'patient'; there are datasets, images"),
        store.transaction("patients", "patient"),
    ):
        pass


def test_transactions_inside_each_other_are_refused(store: Store) -> None:
    """One of several inside one of one, and the other way round."""
    with (
        store.jobs.transaction(),
        pytest.raises(RuntimeError, match="began inside one of jobs"),
        store.transaction("patients", "samples"),
    ):
        pass
    with (
        store.transaction("patients", "samples"),
        pytest.raises(RuntimeError, match="A transaction of jobs began inside one of patients"),
        store.jobs.transaction(),
    ):
        pass
    put_pair(store, "a", "and no lock is left")


def test_another_store_may_be_changed_inside(store: Store, tmp_path: Path) -> None:
    """The rule is for one folder: a backup's rehearsal has a folder of its own."""
    other = Store(tmp_path / "scratch")
    with store.jobs.transaction():
        put_pair(other, "a", "rehearsed")
    assert "a" in other.patients.read()


def test_nobody_waits_in_a_circle(store: Store) -> None:
    """Threads that name the collections in different orders all come to an end, losing nothing."""

    def work(number: int) -> None:
        own = Store(store.folder)
        names = [("patients", "samples", "jobs"), ("jobs", "samples"), ("samples", "patients")]
        for turn in range(8):
            with own.transaction(*names[(number + turn) % 3]) as changes:
                changes["samples"].put(Sample(id=f"{number}-{turn}", patient_id="x"))
            with own.patients.transaction() as patients:
                own.samples.read()  # reading others inside a transaction is allowed
                patients.put(Patient(id=f"{number}-{turn}", patient_id="x"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert (len(store.samples.read()), len(store.patients.read())) == (32, 32)


def test_versions_read_together_belong_together(store: Store) -> None:
    """While pairs are changed, ``store.read`` never gives one half of a change."""
    put_pair(store, "a", "0")
    ended = threading.Event()

    def change() -> None:
        own, turn = Store(store.folder), 0
        while not ended.is_set():
            turn += 1
            put_pair(own, "a", str(turn))

    writer = threading.Thread(target=change)
    writer.start()
    seen: set[str] = set()
    while len(seen) < 15:
        found = store.read("patients", "samples")
        patient, sample = found["patients"]["a"], found["samples"]["a"]
        assert patient.patient_id == sample.original_filename
        seen.add(patient.patient_id)
    ended.set()
    writer.join()


def test_a_store_that_never_rests_can_be_read_together(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no two looks find the same, the locks are taken; and given back."""
    put_pair(store, "a", "first")
    monkeypatch.setattr(store_module, "_LOOKS", 0)
    found = store.read("patients", "samples")
    assert found["patients"]["a"].patient_id == found["samples"]["a"].original_filename == "first"
    put_pair(store, "a", "second")
    assert store.read("patients")["patients"]["a"].patient_id == "second"


NAMES = ("patients", "samples", "cell_types")


def _record(name: str, key: str, text: str) -> Any:
    if name == "patients":
        return Patient(id=key, patient_id=text)
    if name == "samples":
        return Sample(id=key, patient_id=text)
    return CellType(id=key, name=text)


changes_of_one = st.tuples(
    st.sampled_from(NAMES), st.sampled_from("abc"), st.none() | st.text(max_size=5)
)
transactions = st.tuples(
    st.integers(0, 1),
    st.sets(st.sampled_from(NAMES), min_size=1),
    st.lists(changes_of_one, max_size=6),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(transactions, st.booleans()), max_size=5))
def test_any_sequence_of_transactions_is_dicts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[tuple, bool]]
) -> None:
    """Two programs put (or with ``None`` remove) records in several collections; some fail.

    All collections come out as plain dicts to which whole transactions were applied.
    """
    folder = tmp_path_factory.mktemp("records")
    programs = (Store(folder), Store(folder))
    expected: dict[str, dict[str, Any]] = {name: {} for name in NAMES}
    for (program, names, changes), fails in steps:
        wanted = {name: dict(records) for name, records in expected.items()}
        with suppress(InterruptedError):
            with programs[program].transaction(*names) as held:
                for name, key, text in changes:
                    if name not in names:
                        continue
                    if text is None:
                        assert held[name].remove(key) == (wanted[name].pop(key, None) is not None)
                    else:
                        wanted[name][key] = held[name].put(_record(name, key, text))
                if fails:
                    raise InterruptedError
            expected = wanted
    for store in (*programs, Store(folder)):
        found = store.read(*NAMES)
        assert {name: {record.id: record for record in found[name]} for name in NAMES} == expected


def test_reading_everything_names_every_collection(store: Store) -> None:
    """Without names, ``read`` gives all collections, for a backup."""
    assert tuple(store.read()) == store.names


def test_an_intent_of_a_dead_program_is_finished_by_a_reader(store: Store) -> None:
    """New versions that lie beside, with an intent that names them, count as written."""
    put_pair(store, "a", "old")
    put_pair(store, "a", "new")
    _leave_intent(store, moved=())
    assert store.samples.read()["a"].original_filename == "new"
    assert store.patients.read()["a"].patient_id == "new"
    assert not intent_path(store.folder).exists()


def test_an_intent_half_done_is_finished_by_a_writer(store: Store) -> None:
    """A transaction of one collection finishes first what a dead program began."""
    put_pair(store, "a", "old")
    put_pair(store, "a", "new")
    _leave_intent(store, moved=("patients",))
    with store.samples.transaction() as changes:
        assert changes["a"].original_filename == "new"
        changes.put(Sample(id="b", patient_id="a"))
    assert sorted(sample.id for sample in Store(store.folder).samples.read()) == ["a", "b"]


@pytest.mark.parametrize("moved", [(), ("patients",)])
def test_an_intent_whose_files_are_torn_is_undone(store: Store, moved: tuple[str, ...]) -> None:
    """When the disk lost one of the new versions, none of the transaction is seen."""
    put_pair(store, "a", "old")
    put_pair(store, "a", "new")
    _leave_intent(store, moved=moved)
    torn = store.folder / ".samples.joint"
    torn.write_bytes(torn.read_bytes()[:-5])
    assert store.patients.read()["a"].patient_id == "old"
    assert store.samples.read()["a"].original_filename == "old"
    assert len(list(store.folder.glob("intent.damaged-*.json"))) == 1
    put_pair(store, "a", "again")
    assert store.samples.read()["a"].original_filename == "again"


def test_a_reader_waits_for_a_living_writer_and_not_for_ever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody holds the lock of the intent, readers wait; after a minute they say so."""
    put_pair(store, "a", "old")
    put_pair(store, "a", "new")
    _leave_intent(store, moved=())
    monkeypatch.setattr(intents, "PATIENCE_S", 0.05)
    with (
        locked(intents.joint_lock(store.folder)),
        pytest.raises(BusyError, match="has not ended for 0 s; end the program that hangs"),
    ):
        store.patients.read()
    assert store.patients.read()["a"].patient_id == "new"


def test_an_intent_that_cannot_be_read_stops_nobody(store: Store) -> None:
    """It names nothing that could be done; it is put aside by the next change of several."""
    put_pair(store, "a", "old")
    intent_path(store.folder).write_bytes(b"{")
    assert store.patients.read()["a"].patient_id == "old"
    put_pair(store, "a", "new")
    assert store.patients.read()["a"].patient_id == "new"
    assert not intent_path(store.folder).exists()


def _leave_intent(store: Store, *, moved: tuple[str, ...]) -> None:
    """Bring the folder to where a program was killed after it wrote its intent.

    ``moved`` are the collections whose new version was moved into place before.
    """
    import hashlib

    digests = {}
    for name in ("patients", "samples"):
        paths = store[name].paths
        content = paths.current.read_bytes()
        digests[name] = hashlib.sha256(content).hexdigest()
        if name not in moved:
            paths.joint.write_bytes(content)
            paths.current.write_bytes(paths.previous.read_bytes())
    intent_path(store.folder).write_bytes(orjson.dumps({"collections": digests}))
