"""Reading and changing one collection."""

from __future__ import annotations

import dataclasses
import errno
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import DamagedStoreError, DiskShortError, NotFoundError, StoreError
from engine.store import Collection
from engine.store.documents import frozen
from tests.engine.store.things import Thing, thing_in, things


@pytest.fixture
def collection(tmp_path: Path) -> Collection[Thing]:
    return thing_in(tmp_path)


def put(collection: Collection[Thing], *records: Thing) -> None:
    with collection.transaction() as changes:
        for record in records:
            changes.put(record)


def test_an_unwritten_collection_is_empty(collection: Collection[Thing]) -> None:
    """Nothing is there, nothing is made by looking, and it is version 0."""
    snapshot = collection.read()
    assert (len(snapshot), list(snapshot), snapshot.version) == (0, [], 0)
    assert snapshot.where(title="x") == ()
    assert list(collection.folder.glob("*.json")) == []


def test_what_was_put_is_read_by_others(collection: Collection[Thing]) -> None:
    """A collection opened anew, as by another program, sees the record."""
    thing = Thing(title="first", details={"a": [1, 2]})
    put(collection, thing)
    again = thing_in(collection.folder).read()
    assert again[thing.id] == dataclasses.replace(thing, details=frozen(thing.details))
    assert thing.id in again
    assert again.get("other") is None
    assert again.version == 1


def test_reading_again_gives_the_same_object(collection: Collection[Thing]) -> None:
    """An unchanged file is not read twice, and its records are decoded once."""
    put(collection, Thing(id="a", title="x"))
    other = thing_in(collection.folder)
    assert other.read() is other.read()
    assert other.read()["a"] is other.read()["a"]


def test_a_version_never_changes(collection: Collection[Thing]) -> None:
    """Who holds a snapshot keeps seeing what was, whatever is written."""
    put(collection, Thing(id="a", title="old"))
    before = collection.read()
    put(collection, Thing(id="a", title="new"), Thing(id="b", title="b"))
    assert [thing.title for thing in before] == ["old"]
    assert [thing.title for thing in collection.read()] == ["new", "b"]


def test_unchanged_records_are_handed_on(collection: Collection[Thing]) -> None:
    """After another program's change, only what changed is decoded anew."""
    put(collection, Thing(id="a", title="a"), Thing(id="b", title="b"))
    before = collection.read()
    kept = before["a"]
    put(thing_in(collection.folder), Thing(id="b", title="changed"))
    after = collection.read()
    assert after["a"] is kept
    assert after["b"].title == "changed"


def test_a_change_of_the_same_length_in_the_same_instant_is_seen(
    collection: Collection[Thing],
) -> None:
    """Size and time of a file may stay the same: the first line tells versions apart."""
    put(collection, Thing(id="a", title="1"))
    assert collection.read()["a"].title == "1"
    moment = collection.paths.current.stat().st_mtime_ns
    put(thing_in(collection.folder), dataclasses.replace(collection.read()["a"], title="2"))
    os.utime(collection.paths.current, ns=(moment, moment))
    assert collection.read()["a"].title == "2"


def test_an_exception_leaves_all_as_it_was(collection: Collection[Thing]) -> None:
    """Neither the file nor what readers see changes when the block fails."""
    put(collection, Thing(id="a", title="a"))
    content, seen = collection.paths.current.read_bytes(), collection.read()
    with suppress(ZeroDivisionError), collection.transaction() as changes:
        changes.put(Thing(id="b", title="b"))
        changes.remove("a")
        _ = 1 / 0
    assert collection.paths.current.read_bytes() == content
    assert collection.read() is seen


def test_nothing_is_written_when_nothing_changed(collection: Collection[Thing]) -> None:
    """Putting a record as it is, or removing one that is not there, makes no new version."""
    put(collection, Thing(id="a", title="a"))
    with collection.transaction() as changes:
        changes.put(changes["a"])
        assert not changes.remove("b")
    assert collection.read().version == 1


def test_a_transaction_sees_its_own_changes(collection: Collection[Thing]) -> None:
    """Within the block, reads give what was put and not what was removed."""
    put(collection, Thing(id="a", title="a"), Thing(id="b", title="b"))
    with collection.transaction() as changes:
        stored = changes.put(Thing(id="c", title="c", tags=("x",)))
        assert stored.tags == ("x",)
        assert changes.remove("a")
        assert (changes.get("a"), changes["c"]) == (None, stored)
        assert [thing.id for thing in changes.values()] == ["b", "c"]
        assert changes.where(title="c") == (stored,)
        assert ("a" in changes, "c" in changes, len(changes)) == (False, True, 2)
        with pytest.raises(NotFoundError, match="no record 'a' in things"):
            changes["a"]
    assert [thing.id for thing in collection.read()] == ["b", "c"]


def test_clear_removes_everything_and_one_may_go_on(collection: Collection[Thing]) -> None:
    """After ``clear`` the transaction is empty, and takes new records."""
    put(collection, Thing(id="a", title="a"), Thing(id="b", title="b"))
    with collection.transaction() as changes:
        changes.clear()
        assert (len(changes), changes.get("a"), changes.values()) == (0, None, ())
        changes.put(Thing(id="b", title="again"))
    assert [(thing.id, thing.title) for thing in collection.read()] == [("b", "again")]
    assert [thing.title for thing in thing_in(collection.folder).read()] == ["again"]


def test_an_ended_transaction_takes_nothing(collection: Collection[Thing]) -> None:
    """A change after the block would be lost, so it is refused."""
    with collection.transaction() as changes:
        pass
    with pytest.raises(RuntimeError, match="has ended"):
        changes.put(Thing(title="late"))
    with pytest.raises(RuntimeError, match="has ended"):
        changes.remove("a")


def test_a_transaction_inside_another_is_refused(tmp_path: Path) -> None:
    """It could wait for itself for ever; the sentence names the way to change both."""
    first, second = thing_in(tmp_path), thing_in(tmp_path)
    with (
        first.transaction(),
        pytest.raises(RuntimeError, match=r"store\.transaction"),
        second.transaction(),
    ):
        pass
    with second.transaction():  # and the refusal leaves no lock behind
        pass


def test_a_record_that_is_not_there_is_told(collection: Collection[Thing]) -> None:
    """The error names id and collection, and is one that pages show."""
    with pytest.raises(NotFoundError, match="There is no record 'nobody' in things"):
        collection.read()["nobody"]


def test_where_combines_fields(collection: Collection[Thing]) -> None:
    """Records match when every field has the value asked for; order is that of the collection."""
    a = Thing(id="a", title="x", count=1)
    b, c = Thing(id="b", title="x", count=2), Thing(id="c", title="y", count=1)
    put(collection, c, a, b)
    snapshot = collection.read()
    assert [t.id for t in snapshot.where(title="x")] == ["a", "b"]
    assert [t.id for t in snapshot.where(title="x", count=2)] == ["b"]
    assert [t.id for t in snapshot.where(count=1)] == ["c", "a"]
    assert snapshot.where() == snapshot.values()
    assert snapshot.where(maybe=None, main=None) == snapshot.values()
    assert snapshot.where(details={}) == snapshot.values()
    assert snapshot.where(title="z") == ()


@pytest.mark.parametrize("records", [(), (Thing(title="x"),)])
def test_an_unknown_field_is_a_fault(
    collection: Collection[Thing], records: tuple[Thing, ...]
) -> None:
    """A misspelt field is told at once, in an empty collection too."""
    put(collection, *records)
    with pytest.raises(AttributeError, match="titel"):
        collection.read().where(titel="x")


def test_files_are_private(collection: Collection[Thing]) -> None:
    """Records are readable for their owner alone."""
    put(collection, Thing(title="x"))
    put(collection, Thing(title="y"))
    modes = {path.stat().st_mode & 0o777 for path in collection.folder.iterdir()}
    assert modes == {0o600}


def test_a_full_disk_leaves_all_as_it_was(
    collection: Collection[Thing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the new version does not fit, the old one stays, and the sentence says what to do."""
    put(collection, Thing(id="a", title="a"))
    content = collection.paths.current.read_bytes()

    def full(descriptor: int, parts: list[memoryview]) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(DiskShortError, match=r"No space left on device.*free space"):
        put(collection, Thing(id="b", title="b"))
    monkeypatch.undo()
    assert collection.paths.current.read_bytes() == content
    assert not collection.paths.aside.exists()
    put(collection, Thing(id="b", title="b"))
    assert len(collection.read()) == 2


def test_a_real_limit_on_file_size_is_a_full_disk(tmp_path: Path) -> None:
    """A process that may write 20 kB keeps its collection when the 21st kB does not fit."""
    collection = thing_in(tmp_path)
    put(collection, Thing(id="a", title="a"))
    child = os.fork()
    if child == 0:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            put(collection, Thing(id="b", title="b" * 30_000))
        except DiskShortError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert [thing.id for thing in thing_in(tmp_path).read()] == ["a"]


def test_a_system_that_writes_in_pieces_is_served(
    collection: Collection[Thing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write may take fewer bytes than it was given; the rest follows."""
    original = os.write
    monkeypatch.setattr(os, "writev", lambda to, parts: original(to, bytes(parts[0])[:7]))
    put(collection, Thing(id="a", title="a" * 500), Thing(id="b", title="b"))
    monkeypatch.undo()
    assert [thing.id for thing in thing_in(collection.folder).read()] == ["a", "b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(collection: Collection[Thing]) -> None:
    """Missing rights are a sentence, not a trace."""
    put(collection, Thing(title="x"))
    collection.folder.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="make the folder writable"):
            put(collection, Thing(title="y"))
    finally:
        collection.folder.chmod(0o700)


def test_a_file_system_without_hard_links_is_served(
    collection: Collection[Thing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file can have one name only, the previous version is a copy."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    put(collection, Thing(id="a", title="a"))
    first = collection.paths.current.read_bytes()
    put(collection, Thing(id="b", title="b"))
    assert collection.paths.previous.read_bytes() == first


def test_the_previous_version_is_kept(collection: Collection[Thing]) -> None:
    """After each transaction the version before it lies beside, as another file."""
    put(collection, Thing(id="a", title="a"))
    first = collection.paths.current.read_bytes()
    put(collection, Thing(id="b", title="b"))
    assert collection.paths.previous.read_bytes() == first
    assert collection.paths.previous.stat().st_ino != collection.paths.current.stat().st_ino


def test_readers_in_threads_see_whole_versions(collection: Collection[Thing]) -> None:
    """While pairs of records are changed together, no reader sees a pair that differs."""
    put(collection, Thing(id="a", title="x"), Thing(id="b", title="x"))
    ended, wrong = threading.Event(), []

    def look() -> None:
        own = thing_in(collection.folder)
        while not ended.is_set():
            for place in (own, collection):
                snapshot = place.read()
                if snapshot["a"].count != snapshot["b"].count:
                    wrong.append(snapshot.version)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for count in range(60):
        put(
            collection, Thing(id="a", title="x", count=count), Thing(id="b", title="x", count=count)
        )
        time.sleep(0.001)
    ended.set()
    for reader in readers:
        reader.join()
    assert wrong == []


changes = st.lists(
    st.one_of(
        st.tuples(st.just("put"), things()),
        st.tuples(st.just("again"), st.integers(0, 5), st.integers(-5, 5)),
        st.tuples(st.just("remove"), st.integers(0, 5)),
        st.tuples(st.just("clear")),
    ),
    max_size=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 1), changes, st.booleans()), max_size=6))
def test_any_sequence_of_transactions_is_a_dict(
    tmp_path_factory: pytest.TempPathFactory, transactions: list[tuple[int, list[tuple], bool]]
) -> None:
    """Two programs change a collection in turn; some transactions fail.

    The outcome is that of a plain dict to which the transactions that did not fail were applied,
    in content and in order, and for a program that opens it later.
    """
    folder = tmp_path_factory.mktemp("records")
    programs = (thing_in(folder), thing_in(folder))
    expected: dict[str, Thing] = {}
    for program, steps, fails in transactions:
        wanted = dict(expected)
        try:
            with programs[program].transaction() as held:
                for step in steps:
                    _apply(step, held, wanted)
                assert list(held.values()) == list(wanted.values())
                if fails:
                    raise InterruptedError
        except InterruptedError:
            continue
        expected = wanted
    for program in (*programs, thing_in(folder)):
        assert {thing.id: thing for thing in program.read()} == expected
        assert [thing.id for thing in program.read()] == list(expected)


def _apply(step: tuple, held: object, wanted: dict[str, Thing]) -> None:
    """Do one step in a transaction and on the dict."""
    if step[0] == "put":
        wanted[step[1].id] = held.put(step[1])
        assert wanted[step[1].id] == dataclasses.replace(step[1], details=frozen(step[1].details))
    elif step[0] == "clear":
        held.clear()
        wanted.clear()
    elif step[1] < len(wanted):
        name = list(wanted)[step[1]]
        if step[0] == "remove":
            assert held.remove(name)
            del wanted[name]
        else:
            wanted[name] = held.put(dataclasses.replace(wanted[name], count=step[2]))


def test_a_torn_file_is_told_and_not_emptied(collection: Collection[Thing]) -> None:
    """Neither a reader nor a writer takes a damaged file for an empty collection."""
    put(collection, Thing(id="a", title="a"))
    put(collection, Thing(id="b", title="b"))
    torn = collection.paths.current.read_bytes()[:-10]
    collection.paths.current.write_bytes(torn)
    for place in (collection, thing_in(collection.folder)):
        with pytest.raises(
            DamagedStoreError, match=r"things\.json is damaged.*Version 1 of .* 1 r"
        ):
            place.read()
        with pytest.raises(DamagedStoreError, match="lightbox store recover things"):
            put(place, Thing(title="c"))
    assert collection.paths.current.read_bytes() == torn
