"""Objects that cannot be changed in place."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import orjson
import pytest

from engine.store.documents import FrozenObject, frozen


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.__setitem__("a", 2),
        lambda d: d.__delitem__("a"),
        lambda d: d.update(a=2),
        lambda d: d.setdefault("b", 2),
        lambda d: d.pop("a"),
        lambda d: d.popitem(),
        lambda d: d.clear(),
        lambda d: d.__ior__({"a": 2}),
        lambda d: d["inner"].update(x=1),
    ],
)
def test_every_way_to_change_it_is_refused(change) -> None:  # type: ignore[no-untyped-def]
    """A record that many threads share stays as it is; the sentence says what to do instead."""
    document = frozen({"a": 1, "inner": {"x": 0}})
    with pytest.raises(TypeError, match=r"dataclasses\.replace"):
        change(document)
    assert document == {"a": 1, "inner": {"x": 0}}


def test_it_is_a_dict_to_everything_else() -> None:
    """It compares, serialises, copies and pickles as the dict that it was made from."""
    plain = {"a": [1, {"b": None}], "c": "d"}
    document = frozen(plain)
    assert document == {"a": (1, {"b": None}), "c": "d"}
    assert json.loads(json.dumps(document)) == plain == orjson.loads(orjson.dumps(document))
    assert pickle.loads(pickle.dumps(document)) == document
    assert copy.deepcopy(document) == document
    assert isinstance(pickle.loads(pickle.dumps(document)), FrozenObject)
    assert {**document, "c": "e"}["c"] == "e"


def test_a_record_with_one_becomes_a_dict_again() -> None:
    """``dataclasses.asdict`` works on records that hold objects."""

    @dataclasses.dataclass(frozen=True)
    class Holder:
        value: FrozenObject

    assert dataclasses.asdict(Holder(frozen({"a": {"b": 1}}))) == {"value": {"a": {"b": 1}}}


def test_a_key_that_is_no_text_is_refused() -> None:
    """JSON has text keys only; a number would come back as text."""
    with pytest.raises(TypeError, match="Keys of a stored object are text, but one is 1"):
        frozen({"a": {1: 2}})
