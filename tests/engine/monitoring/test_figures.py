"""A sample and its line in the history file."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.monitoring.figures import Figures, GpuFigures
from tests.engine.monitoring.samples import a_sample


@given(
    st.floats(0, 4e9),
    st.one_of(st.none(), st.floats(0, 1e6)),
    st.one_of(st.none(), st.dictionaries(st.text(max_size=8), st.integers(0, 10_000))),
)
def test_a_line_gives_the_sample_back(
    at: float, oldest_s: float | None, jobs: dict[str, int] | None
) -> None:
    """Whatever is measured comes back from the file, to a hundredth."""
    gpus = (GpuFigures(name="A card", total_mb=1000.0, free_mb=1.5),)
    sample = replace(a_sample(), at=round(at, 2), jobs=jobs, gpus=gpus)
    sample = replace(sample, oldest_pending_s=None if oldest_s is None else round(oldest_s, 2))
    assert Figures.from_line(sample.to_line()) == sample


def test_a_newer_version_may_have_more_fields() -> None:
    """What we do not know is left out, and the rest is read."""
    document = {**json.loads(a_sample().to_line()), "tomorrow": {"a": 1}}
    assert Figures.from_line(json.dumps(document)) == a_sample()


@pytest.mark.parametrize(
    "line",
    [
        *("", "{", "null", "[]", "7", '"text"', "{}", '{"at": 1}', a_sample().to_line()[:-20]),
        a_sample().to_line().replace('"cpu_percent":12.5', '"cpu_percent":NaN'),
        a_sample().to_line().replace('"cpu_percent":12.5', '"cpu_percent":"<b>"'),
        a_sample().to_line().replace('"gpus":[]', '"gpus":[{"name": 1}]'),
    ],
)
def test_a_torn_or_foreign_line_is_none(line: str) -> None:
    """Half a line, other JSON and what is no number are skipped, not raised."""
    assert Figures.from_line(line) is None


def test_waiting_and_running_follow_from_the_jobs() -> None:
    """Without readable records both are unknown, not zero."""
    sample = a_sample()
    assert (sample.waiting, sample.running) == (2, 1)
    assert replace(sample, jobs=None).waiting is None
    assert replace(sample, jobs=None).running is None


def test_used_memory_is_total_less_free() -> None:
    """24,000 MB with 6,000 MB free: 18,000 MB are used."""
    assert a_sample().memory_used_mb == 18_000
