"""Steps and learning rates, by count and by the clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.training.pacing import Pace
from tests.engine.training.test_planning import planned

BY_COUNT = replace(planned(), minutes=None, epochs=4, steps_per_epoch=10)
BY_TIME = replace(planned(), minutes=1.0, epochs=None, steps_per_epoch=100)


def test_epochs_are_counted() -> None:
    """Four epochs of ten steps are forty, whatever the clock says."""
    pace = Pace(BY_COUNT, spent_s=0.0)
    assert pace.steps == 40
    assert not pace.is_over(39, elapsed_s=1e6)
    assert pace.is_over(40, elapsed_s=0.0)


def test_the_rate_rises_and_falls_to_nearly_nothing() -> None:
    """Warm-up to the top, then down; the last step hardly moves anything."""
    pace = Pace(BY_COUNT, spent_s=0.0)
    rates = [pace.rate(step) for step in range(40)]
    assert max(rates) == pytest.approx(BY_COUNT.learning_rate)
    assert rates[0] < BY_COUNT.learning_rate
    assert rates[-1] < 0.02 * BY_COUNT.learning_rate
    assert sorted(rates[5:], reverse=True) == rates[5:]


def test_the_clock_decides_how_many_steps_fit() -> None:
    """A minute less an eighth for measuring, steps of 0.1 s: about 500 after the first four."""
    pace = Pace(BY_TIME, spent_s=0.0)
    for _ in range(4):
        pace.took(0.1)
    assert pace.should_recount(4)
    pace.recount(4, elapsed_s=2.0)
    assert pace.steps == pytest.approx(4 + (60 * 0.88 - 2) / 0.1, abs=2)


def test_time_that_is_up_ends_it() -> None:
    """However many steps were counted, the budget holds."""
    pace = Pace(BY_TIME, spent_s=0.0, steps=10_000)
    assert not pace.is_over(5, elapsed_s=50.0)
    assert pace.is_over(5, elapsed_s=53.0)


def test_a_slower_machine_gets_fewer_steps() -> None:
    """After an epoch that took longer, what is left is counted anew."""
    pace = Pace(BY_TIME, spent_s=0.0)
    for _ in range(4):
        pace.took(0.1)
    pace.recount(4, elapsed_s=1.0)
    before = pace.steps
    for _ in range(60):
        pace.took(0.4)
    pace.recount(64, elapsed_s=25.0)
    assert pace.steps < before
    assert pace.steps == pytest.approx(64 + (52.8 - 25) / 0.4, rel=0.2)


def test_patience_is_a_part_of_the_whole() -> None:
    """Of fifty short epochs twenty may pass without a better one; of ten, the plan's twelve."""
    pace = Pace(replace(BY_COUNT, epochs=50), spent_s=0.0)
    assert pace.patience_epochs(250, epochs=25) == pytest.approx(20)
    short = Pace(replace(BY_COUNT, epochs=10), spent_s=0.0)
    assert short.patience_epochs(50, epochs=5) == BY_COUNT.patience_epochs == 12


def test_nothing_stops_near_the_end() -> None:
    """The last tenth is run out, while the rate comes down."""
    assert Pace(BY_COUNT, spent_s=0.0).patience_epochs(36, epochs=4) == float("inf")


def test_validation_is_part_of_the_time() -> None:
    """Looks of two seconds each leave less for steps."""
    quick, slow = (Pace(BY_TIME, spent_s=0.0) for _ in range(2))
    for pace, look_s in ((quick, 0.0), (slow, 2.0)):
        for _ in range(4):
            pace.took(0.1)
        pace.recount(4, elapsed_s=1.0)
        pace.recount(30, elapsed_s=5.0, look_s=look_s)
    assert slow.steps < quick.steps
