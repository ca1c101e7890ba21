"""One fraction over several steps, and seconds that are left."""

from __future__ import annotations

import pytest

from engine.spine.pacing import Pace


class Clock:
    """Seconds that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_steps_weigh_as_long_as_they_take() -> None:
    """Of 2 + 6 + 2 seconds, half of the second step is half of the whole."""
    pace = Pace({"reading": 2.0, "finding": 6.0, "saving": 2.0}, Clock())
    assert pace.at("reading", 1.0) == pytest.approx(0.2)
    assert pace.at("finding", 0.5) == pytest.approx(0.5)
    assert pace.at("saving", 1.0) == pytest.approx(1.0)


def test_the_fraction_never_falls() -> None:
    """A forecast that grows, or a step that tells less than before, does not lead back."""
    pace = Pace({"reading": 5.0, "finding": 5.0}, Clock())
    assert pace.at("reading", 1.0) == pytest.approx(0.5)
    pace.expect("finding", 95.0)
    assert pace.at("finding", 0.0) == pytest.approx(0.5)
    assert pace.at("finding", 0.2) == pytest.approx(0.5)
    assert pace.at("finding", 0.8) > 0.5


def test_the_remaining_time_begins_with_the_forecast_and_follows_the_clock() -> None:
    """Twice as slow as expected doubles what is left, later steps included."""
    clock = Clock()
    pace = Pace({"reading": 2.0, "finding": 10.0, "saving": 3.0}, clock)
    assert pace.remaining_s() == pytest.approx(15.0)
    pace.at("finding", 0.0)
    clock.now += 10.0
    pace.at("finding", 0.5)
    assert pace.remaining_s() == pytest.approx(10.0 + 3.0 * 2)
    assert pace.elapsed_s == pytest.approx(10.0)


def test_a_late_step_is_never_less_than_nothing() -> None:
    """Far beyond its forecast, the estimate stays at 0 or above."""
    clock = Clock()
    pace = Pace({"reading": 1.0}, clock)
    clock.now += 50.0
    assert pace.remaining_s() == 0.0
    pace.at("reading", 1.0)
    assert pace.remaining_s() == 0.0
