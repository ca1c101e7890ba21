"""Splits keep groups together, repeat themselves, and come near the shares."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.datasets.splits import split
from engine.errors import RequestError


@settings(max_examples=50, deadline=None)
@given(
    some.dictionaries(some.text("abc", min_size=1, max_size=4), some.sampled_from(["", "P", "Q"])),
    some.integers(0, 99),
)
def test_no_group_is_divided(groups: dict[str, str], seed: int) -> None:
    """Whatever the groups are, all pictures of one lie in one part, and every picture has one."""
    parts = split(groups, seed=seed)
    assert set(parts) == set(groups)
    for group in ("P", "Q"):
        assert len({parts[name] for name in groups if groups[name] == group}) <= 1


def test_the_same_seed_gives_the_same_parts_in_any_order() -> None:
    """The order in which pictures are named does not matter; another seed does."""
    groups = {f"p{i}": f"g{i // 3}" for i in range(60)}
    backwards = dict(reversed(groups.items()))
    assert split(groups, seed=5) == split(backwards, seed=5)
    assert split(groups, seed=5) != split(groups, seed=6)


def test_the_shares_are_met() -> None:
    """100 pictures alone: 70, 15, 15; three groups: one in each part."""
    counted = Counter(split({str(i): "" for i in range(100)}).values())
    assert counted == {"train": 70, "validation": 15, "test": 15}
    assert len(set(split({str(i): f"g{i % 3}" for i in range(30)}).values())) == 3


def test_a_part_without_a_share_stays_empty() -> None:
    """Zero means none."""
    shares = {"train": 0.8, "validation": 0.2, "test": 0.0}
    assert "test" not in split({str(i): "" for i in range(10)}, shares).values()


def test_shares_that_do_not_add_up_are_refused() -> None:
    """The sentence names what came."""
    with pytest.raises(RequestError, match=r"add up to 1, but are train 0\.5, test 0\.2"):
        split({"a": ""}, {"train": 0.5, "test": 0.2})
