"""What Prometheus reads: names, types, units, and nobody's name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.inference.timings import Timings
from engine.monitoring.exposition import exposition
from engine.monitoring.figures import Figures, GpuFigures
from engine.monitoring.health import PartHealth
from tests.engine.monitoring.samples import a_sample

PARTS = (
    PartHealth(name="store", title="Records", state="ok", text="Ann's fine.", checked_at=1.0),
    PartHealth(name="worker", title="Worker", state="failed", text="Gone.", checked_at=1.0),
    PartHealth(name="disk", title="Disk", state="attention", text="Low.", checked_at=1.0),
)


def scraped(now: Figures, recorder: Timings | None = None):
    rows = (recorder or Timings()).figures()
    text = exposition(now, PARTS, rows, started_at=77.0).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_amounts_are_in_bytes_seconds_and_ratios() -> None:
    """6,000 MB free are 6e9 bytes, 12.5 % are 0.125, 42 s are 42."""
    families = scraped(a_sample())
    told = {name: family.samples[0].value for name, family in families.items() if family.samples}
    assert told["lightbox_memory_available_bytes"] == 6e9
    assert told["lightbox_memory_floor_bytes"] == 5e8
    assert told["lightbox_disk_free_bytes"] == 2e10
    assert told["lightbox_cpu_usage_ratio"] == 0.125
    assert told["lightbox_queue_oldest_pending_seconds"] == 42.0
    assert told["lightbox_start_time_seconds"] == 77.0
    assert values(families["lightbox_resident_memory_bytes"]) == {
        ("server",): 3e8,
        ("children",): 1.5e8,
    }


def test_every_state_of_jobs_has_a_line() -> None:
    """A state without jobs is 0, so that no series begins late."""
    jobs = values(scraped(a_sample())["lightbox_jobs"])
    assert jobs == {
        ("pending",): 2,
        ("processing",): 1,
        ("completed",): 5,
        ("failed",): 0,
        ("cancelled",): 0,
        ("stuck",): 0,
    }


def test_unreadable_records_give_no_figure() -> None:
    """No count of jobs is better than a wrong one."""
    families = scraped(replace(a_sample(), jobs=None, oldest_pending_s=None))
    assert "lightbox_jobs" not in families
    assert "lightbox_queue_oldest_pending_seconds" not in families


def test_parts_are_up_or_not() -> None:
    """Only a failed part is down; attention has a series of its own."""
    families = scraped(a_sample())
    up, soon = families["lightbox_part_up"], families["lightbox_part_attention"]
    assert values(up) == {("store",): 1, ("worker",): 0, ("disk",): 1}
    assert values(soon) == {("store",): 0, ("worker",): 0, ("disk",): 1}


def test_latency_is_a_histogram_with_cumulated_classes() -> None:
    """Of 3, 4 and 400 ms two are at most 5 ms and three at most 0.5 s; the sum is 0.407 s."""
    recorder = Timings()
    for seconds in (0.003, 0.004, 0.4):
        recorder.record("eyes 1.1", seconds)
    family = scraped(a_sample(), recorder)["lightbox_model_duration_seconds"]
    assert family.type == "histogram"
    told = {
        (one.name.rpartition("_")[2], one.labels.get("le", "")): one.value for one in family.samples
    }
    assert told["bucket", "0.0025"] == 0
    assert told["bucket", "0.005"] == 2
    assert told["bucket", "0.5"] == 3
    assert told["bucket", "+Inf"] == 3
    assert told["count", ""] == 3
    assert told["sum", ""] == pytest.approx(0.407)


def test_a_gpu_is_numbered() -> None:
    """Two cards of one kind are two series."""
    card = GpuFigures(name="A card", total_mb=1000.0, free_mb=250.0)
    families = scraped(replace(a_sample(), gpus=(card, card)))
    assert values(families["lightbox_gpu_memory_free_bytes"]) == {
        ("0", "A card"): 2.5e8,
        ("1", "A card"): 2.5e8,
    }


def test_a_model_name_cannot_break_the_text() -> None:
    """Quotes, newlines and backslashes of a stranger's card are escaped."""
    recorder = Timings()
    recorder.record('a"b\nc\\d', 1.0)
    family = scraped(a_sample(), recorder)["lightbox_model_duration_seconds"]
    assert {sample.labels["model"] for sample in family.samples} == {'a"b\nc\\d'}


def test_gauges_are_gauges_and_sentences_stay_out() -> None:
    """Types are told, every family has a text, and no sentence about a part is in it."""
    text = exposition(a_sample(), PARTS, (), started_at=1.0).decode()
    assert "Ann" not in text
    assert "python_info" not in text
    families = list(text_string_to_metric_families(text))
    assert {family.type for family in families} == {"gauge", "histogram"}
    assert all(family.documentation for family in families)
    assert all(family.name.startswith("lightbox_") for family in families)
