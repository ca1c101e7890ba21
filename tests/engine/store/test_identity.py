"""Ids and moments."""

from __future__ import annotations

import time
from datetime import UTC, timedelta

import pytest

from engine.store import new_id, now
from engine.store.identity import is_usable_id


def test_ids_sort_by_the_time_at_which_they_were_made() -> None:
    """An id made in a later millisecond is greater as text."""
    found = []
    for _ in range(20):
        found.append(new_id())
        time.sleep(0.002)
    assert found == sorted(found)


def test_ids_are_26_letters_and_digits_and_never_the_same() -> None:
    """130 bits in base 32 are 26 digits; 80 of the bits are random."""
    found = {new_id() for _ in range(2000)}
    assert len(found) == 2000
    assert all(len(name) == 26 and name.isalnum() and name == name.lower() for name in found)
    assert all(is_usable_id(name) for name in found)


def test_ids_hold_the_time_in_their_first_digits() -> None:
    """The first 10 digits of base 32 are the milliseconds since 1970 (after two empty bits)."""
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    before = time.time_ns() // 1_000_000
    value = 0
    for digit in new_id()[:10]:
        value = value * 32 + digits.index(digit)
    assert before <= value <= time.time_ns() // 1_000_000


def test_now_is_aware_and_in_utc() -> None:
    """A stored moment always says its time zone."""
    assert now().tzinfo is UTC
    assert now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "name", ["", ".hidden", "-x", "a/b", "a b", 'a"b', "ä", "a\n", "a" * 129, "../x", "a\\b"]
)
def test_names_that_json_or_a_path_could_stumble_over_are_no_ids(name: str) -> None:
    """Nothing to escape, nothing that leaves a folder, nothing without an end."""
    assert not is_usable_id(name)


@pytest.mark.parametrize("name", ["a", "0", "A.b_c:d@e-f", "a" * 128])
def test_plain_names_are_ids(name: str) -> None:
    """Letters, digits and . _ : @ - make an id."""
    assert is_usable_id(name)
