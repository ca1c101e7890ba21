"""Records to JSON and back."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given

from engine.store.codec import codec_of
from engine.store.documents import frozen
from engine.store.records import Job, Record
from engine.store.store import KINDS
from tests.engine.store.things import Part, Thing, documents, things

CODEC = codec_of(Thing)


@given(things())
def test_what_is_written_is_read_again(thing: Thing) -> None:
    """Every value of every type survives; lists inside objects come back as tuples."""
    again = CODEC.decode(thing.id, CODEC.encode(thing))
    assert again == dataclasses.replace(thing, details=frozen(thing.details))


@given(things(), documents())
def test_fields_of_a_newer_version_are_kept(thing: Thing, unknown: dict[str, Any]) -> None:
    """What this version does not know is written back as it came."""
    newer = {f"newer {key}": value for key, value in unknown.items()}
    stored = orjson.loads(CODEC.encode(thing)) | newer
    read = CODEC.decode(thing.id, orjson.dumps(stored))
    changed = dataclasses.replace(read, title="changed")
    assert orjson.loads(CODEC.encode(changed)) == {**stored, "title": "changed"}


def test_a_field_added_with_a_default_is_filled_in() -> None:
    """Records that were written before a field existed get its default."""
    old = b'{"created_at":"2026-01-01T00:00:00Z","title":"old"}'
    assert CODEC.decode("a", old) == Thing(
        id="a", created_at=datetime(2026, 1, 1, tzinfo=UTC), title="old"
    )


def test_moments_are_stored_in_utc() -> None:
    """A moment with another offset is the same moment, in UTC to the microsecond."""
    tokyo = datetime(2026, 1, 1, 9, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=9)))
    stored = orjson.loads(CODEC.encode(Thing(title="x", at=tokyo)))
    # Written with the offset that it had or as Z: read, it is 00:00:00.123456 in UTC.
    read = CODEC.decode("x", orjson.dumps(stored))
    assert read.at == datetime(2026, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)
    assert read.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", 1),
        ("title", None),
        ("count", 1.0),
        ("count", True),
        ("count", 2**64),
        ("weight", "1"),
        ("weight", float("nan")),
        ("weight", float("inf")),
        ("done", 1),
        ("kind", "huge"),
        ("at", datetime(2026, 1, 1)),
        ("at", "yesterday"),
        ("tags", ("a", 1)),
        ("tags", "abc"),
        ("parts", ({"kind": 1},)),
        ("main", {"weight": 1.0}),
        ("details", [1]),
        ("details", {"a": object()}),
        ("details", {1: "a"}),
        ("created_at", None),
    ],
)
def test_what_could_not_be_read_again_is_not_written(field: str, value: object) -> None:
    """A wrong type is a fault of the program: it is told at once, and never reaches the file."""
    thing = dataclasses.replace(Thing(id="x", title="x"), **{field: value})
    with pytest.raises(TypeError):
        CODEC.decode(thing.id, CODEC.encode(thing))


def test_a_message_names_the_field_and_never_its_value() -> None:
    """A record may hold a patient's name: an error says which field, not what is in it."""
    stored = orjson.dumps({"created_at": "2026-01-01T00:00:00Z", "title": ["Jane Doe"]})
    with pytest.raises(TypeError, match=r"^`title`: expected text, got a list$"):
        CODEC.decode("x", stored)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (b'{"created_at":"2026-01-01T00:00:00Z"}', "`title` is absent"),
        (b'{"title":"x"}', "`created_at` is absent"),
        (
            b'{"created_at":"2026-01-01T00:00:00Z","title":"x","main":{}}',
            "`main`: `kind` is absent",
        ),
        (b"[]", "expected an object"),
    ],
)
def test_a_record_that_is_not_whole_says_what_is_absent(stored: bytes, message: str) -> None:
    """A field without a default must be there, and so must the moment of creation."""
    with pytest.raises(TypeError, match=message):
        CODEC.decode("x", stored)


def test_another_kind_of_record_is_refused() -> None:
    """A job cannot be put among things."""
    with pytest.raises(TypeError, match="Expected a Thing, got a Job"):
        CODEC.encode(Job(task="x"))  # type: ignore[arg-type]


def test_extra_cannot_hide_a_field() -> None:
    """``extra`` holds unknown fields only; one with a known name would win over the field."""
    with pytest.raises(TypeError, match="repeats one of its fields"):
        CODEC.encode(Thing(title="x", extra={"title": "y"}))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_every_kind_of_record_has_a_codec(kind: type[Record]) -> None:
    """All fields of all records are of types that can be stored, and frozen."""
    assert codec_of(kind).kind is kind
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__dict__" not in dir(kind)


def test_a_nested_value_keeps_its_type() -> None:
    """A tuple of values comes back as the same dataclasses."""
    thing = Thing(title="x", parts=(Part(kind="a"), Part(kind="b", weight=2)))
    assert CODEC.decode(thing.id, CODEC.encode(thing)).parts == thing.parts
