"""Fewer samples for a picture keep what matters."""

from __future__ import annotations

from dataclasses import replace

from engine.monitoring.thinning import thinned
from tests.engine.monitoring.samples import a_sample


def test_few_samples_stay_as_they_are() -> None:
    """Three samples for ten places are three samples."""
    samples = [a_sample(float(at)) for at in range(3)]
    assert list(thinned(samples, most=10)) == samples


def test_the_worst_of_each_span_survives() -> None:
    """One dip of memory among 1,000 samples, one queue and one spike of processes are all seen."""
    samples = [replace(a_sample(float(at)), memory_free_mb=9_000.0) for at in range(1_000)]
    samples[333] = replace(samples[333], memory_free_mb=10.0)
    samples[777] = replace(samples[777], jobs={"pending": 50}, children_mb=9_999.0)
    thin = thinned(samples, most=100)
    assert len(thin) <= 100
    assert min(one.memory_free_mb for one in thin) == 10.0
    assert max(one.waiting or 0 for one in thin) == 50
    assert max(one.children_mb for one in thin) == 9_999.0
    assert (thin[-1].at, [one.at for one in thin]) == (999.0, sorted(one.at for one in thin))


def test_processor_use_is_the_mean() -> None:
    """Half of the time at 0 % and half at 100 % is drawn as 50 %."""
    samples = [replace(a_sample(float(at)), cpu_percent=100.0 * (at % 2)) for at in range(1_000)]
    assert {one.cpu_percent for one in thinned(samples, most=10)} == {50.0}


def test_an_unreadable_queue_is_not_drawn_as_empty() -> None:
    """Where no sample of a span knows the jobs, the span does not either."""
    samples = [replace(a_sample(float(at)), jobs=None) for at in range(100)]
    assert all(one.jobs is None for one in thinned(samples, most=10))


def test_samples_of_one_moment_are_no_division_by_zero() -> None:
    """A clock that stands still gives one sample."""
    assert len(thinned([a_sample(5.0)] * 50, most=10)) == 1
