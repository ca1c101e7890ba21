"""Names, codes and the record of one vertebra."""

from __future__ import annotations

import pytest

from engine.errors import RequestError
from engine.spine.vertebrae import (
    LABELS,
    REGULAR_LABELS,
    TOTAL_CODES,
    VERSE_CODES,
    Vertebra,
    shift_names,
)


def named(*labels: str) -> list[Vertebra]:
    """Vertebrae 30 mm below each other."""
    return [
        Vertebra(label=label, centre_mm=(0.0, 0.0, -30.0 * i)) for i, label in enumerate(labels)
    ]


def test_labels_run_from_head_to_foot() -> None:
    """7 neck, 13 chest and 6 loin names and S1 make 27, in this order."""
    assert len(LABELS) == 27
    assert LABELS[0] == "C1"
    assert LABELS[6:8] == ("C7", "T1")
    assert LABELS[18:22] == ("T12", "T13", "L1", "L2")
    assert LABELS[-3:] == ("L5", "L6", "S1")
    assert len(REGULAR_LABELS) == 25


def test_verse_codes() -> None:
    """VerSe numbers from the head: 8 is T1, 20 L1, 25 and 28 the rare ones."""
    some = {code: VERSE_CODES[code] for code in (1, 7, 8, 19, 20, 24, 25, 28)}
    assert some == {
        1: "C1", 7: "C7", 8: "T1", 19: "T12", 20: "L1", 24: "L5", 25: "L6", 28: "T13",
    }  # fmt: skip


def test_total_codes_agree_with_the_installed_library() -> None:
    """Codes of ``total`` are those of TotalSegmentator's own table, where it is installed."""
    maps = pytest.importorskip("totalsegmentator.map_to_binary")
    theirs = {
        code: name.removeprefix("vertebrae_")
        for code, name in maps.class_map["total"].items()
        if name.startswith("vertebrae_")
    }
    assert dict(TOTAL_CODES) == theirs


def test_total_codes_run_upwards() -> None:
    """26 is S1 and 50 is C1, against the order of VerSe."""
    assert (TOTAL_CODES[26], TOTAL_CODES[27], TOTAL_CODES[32], TOTAL_CODES[50]) == (
        "S1", "L5", "T12", "C1",
    )  # fmt: skip


def test_shift_down_and_back() -> None:
    """One step down renames T11, T12, L1 to T12, L1, L2, and one step up undoes it."""
    moved = shift_names(named("T11", "T12", "L1"), 1)
    assert [v.label for v in moved] == ["T12", "L1", "L2"]
    assert [v.label for v in shift_names(moved, -1)] == ["T11", "T12", "L1"]


def test_shift_passes_through_a_rare_name_only_when_it_is_there() -> None:
    """With T13 in the list, T12 moves to T13; without, to L1."""
    assert [v.label for v in shift_names(named("T12", "T13", "L1"), 1)] == ["T13", "L1", "L2"]
    assert [v.label for v in shift_names(named("T12"), 1)] == ["L1"]


def test_shift_keeps_foreign_names_and_everything_else() -> None:
    """A name that is no level stays, and so does each vertebra's place."""
    moved = shift_names(named("vertebra", "L1"), 1)
    assert [v.label for v in moved] == ["vertebra", "L2"]
    assert moved[1].centre_mm == (0.0, 0.0, -30.0)


@pytest.mark.parametrize(("label", "steps"), [("C1", -1), ("S1", 1)])
def test_shift_cannot_leave_the_spine(label: str, steps: int) -> None:
    """Above C1 and below S1 there is no name."""
    with pytest.raises(RequestError, match="leaves the spine; choose a smaller step"):
        shift_names(named(label), steps)


def test_confidence_outside_of_its_range_is_refused() -> None:
    """A confidence of 1.2 is no confidence."""
    with pytest.raises(RequestError, match=r"confidence of L1 has to be in 0\.\.1, but got 1\.2"):
        Vertebra(label="L1", centre_mm=(0.0, 0.0, 0.0), confidence=1.2)


@pytest.mark.parametrize("centre", [(0.0, 0.0, float("nan")), (1.0, 2.0)])
def test_centre_has_to_be_three_finite_numbers(centre) -> None:
    """NaN or a missing coordinate would poison every distance."""
    with pytest.raises(RequestError, match="three finite numbers"):
        Vertebra(label="L1", centre_mm=centre)


@pytest.mark.parametrize("field", ["volume_ml", "height_mm"])
def test_sizes_have_to_be_positive(field: str) -> None:
    """A height or volume of 0 is a failed measurement and has to be None."""
    with pytest.raises(RequestError, match=f"{field} of L1 has to be a number above 0 or None"):
        Vertebra(label="L1", centre_mm=(0.0, 0.0, 0.0), **{field: 0.0})
