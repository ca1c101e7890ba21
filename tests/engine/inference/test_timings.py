"""How long networks take is kept, bounded, and handed from process to process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from engine.inference import runtimes, timings
from engine.inference.timings import TIMINGS, Timings, percentile


def test_percentiles_are_those_of_hand_arithmetic() -> None:
    """Of 1..20 s half are at most 10 s and 95 % at most 19 s."""
    recorder = Timings()
    for seconds in range(1, 21):
        recorder.record("net", float(seconds))
    (row,) = recorder.figures()
    assert (row.p50_s, row.p95_s, row.longest_s) == (10.0, 19.0, 20.0)
    assert (row.count, row.total_s) == (20, 210.0)


def test_percentiles_agree_with_numpy() -> None:
    """The nearest rank is numpy's ``inverted_cdf``."""
    values = np.random.default_rng(0).random(137).tolist()
    for share in (0.01, 0.5, 0.95, 1.0):
        expected = np.quantile(values, share, method="inverted_cdf")
        assert percentile(values, share) == expected


def test_runs_before_the_window_do_not_count_for_percentiles() -> None:
    """An hour later the old runs are in the count alone."""
    clock = [1000.0]
    recorder = Timings(clock=lambda: clock[0])
    recorder.record("net", 9.0)
    clock[0] += 3601
    recorder.record("net", 1.0)
    (row,) = recorder.figures(within_s=3600)
    assert (row.count, row.recent, row.p50_s, row.p95_s) == (2, 1, 1.0, 1.0)


def test_a_model_without_recent_runs_says_zero() -> None:
    """Percentiles of nothing are 0, and the row stays."""
    clock = [1000.0]
    recorder = Timings(clock=lambda: clock[0])
    recorder.record("net", 9.0)
    clock[0] += 10_000
    (row,) = recorder.figures()
    assert (row.count, row.recent, row.p50_s, row.last_at) == (1, 0, 0.0, 1000.0)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_what_is_no_duration_is_left_out(seconds: float) -> None:
    """Negative and unfinite seconds change nothing."""
    recorder = Timings()
    recorder.record("net", seconds)
    assert recorder.figures() == ()


def test_classes_of_the_histogram_hold_their_upper_end() -> None:
    """1 ms lies in the first class, 1.1 ms in the second, ten minutes in the last."""
    recorder = Timings()
    for seconds in (0.001, 0.0011, 600.0):
        recorder.record("net", seconds)
    counts = recorder.figures()[0].counts
    assert (counts[0], counts[1], counts[-1], sum(counts)) == (1, 1, 1, 3)


def test_memory_stays_bounded() -> None:
    """Ten thousand runs of one model and a thousand models keep 512 runs and 33 rows."""
    recorder = Timings()
    for _ in range(10_000):
        recorder.record("net", 0.1)
    for number in range(1000):
        recorder.record(f"made-up {number}", 0.1)
    rows = recorder.figures()
    assert len(rows) <= 33
    assert {row.model: row.recent for row in rows}["net"] == 512
    assert sum(row.count for row in rows) == 11_000


def test_no_run_is_lost_between_threads() -> None:
    """Eight threads with a thousand runs each make eight thousand."""
    recorder = Timings()

    def work() -> None:
        for _ in range(1000):
            recorder.record("net", 0.01)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorder.figures()[0].count == 8000


def test_a_block_that_fails_is_no_run() -> None:
    """Only what ended well is timed."""
    recorder = Timings()
    with pytest.raises(ValueError, match="no"), recorder.timed("net"):
        raise ValueError("no")
    assert recorder.figures() == ()


def test_an_ended_process_hands_its_figures_over(tmp_path: Path) -> None:
    """What another process measured and left is added to ours, once."""
    code = (
        "import sys; from pathlib import Path; from engine.inference import timings; "
        "timings.latency('net', 2.0); timings.latency('net', 4.0); "
        "timings.TIMINGS.leave(Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    recorder = Timings()
    recorder.record("net", 3.0)
    assert recorder.take(tmp_path) == 1
    assert recorder.take(tmp_path) == 0
    (row,) = recorder.figures()
    assert (row.count, row.total_s, row.p50_s, sum(row.counts)) == (3, 9.0, 3.0, 3)
    assert list(tmp_path.iterdir()) == []


def test_leaving_begins_anew(tmp_path: Path) -> None:
    """A second leave hands nothing over twice."""
    recorder = Timings()
    recorder.record("net", 1.0)
    recorder.leave(tmp_path)
    recorder.leave(tmp_path)
    assert recorder.figures() == ()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1, 2]", '{"net": {}}', '{"net": {"count": 1, "total_s": 1, "counts": [1]}}'],
)
def test_a_damaged_file_is_dropped(tmp_path: Path, text: str) -> None:
    """Half a file harms nobody and does not stay."""
    (tmp_path / "left.json").write_text(text)
    recorder = Timings()
    assert recorder.take(tmp_path) == 0
    assert recorder.figures() == ()
    assert list(tmp_path.iterdir()) == []


def test_a_shelf_that_nobody_empties_does_not_grow(tmp_path: Path) -> None:
    """Beyond 500 files nothing more is left."""
    for number in range(500):
        (tmp_path / f"{number}.json").write_text("{}")
    recorder = Timings()
    recorder.record("net", 1.0)
    recorder.leave(tmp_path)
    assert len(list(tmp_path.iterdir())) == 500


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path: Path) -> None:
    """Where a file is in the way, the figures are lost and the work goes on."""
    (tmp_path / "logs").write_text("a file")
    recorder = Timings()
    recorder.record("net", 1.0)
    recorder.leave(tmp_path / "logs" / "timings")
    assert recorder.take(tmp_path / "logs" / "timings") == 0


def test_names_of_models_are_cut(tmp_path: Path) -> None:
    """A card with an endless name does not fill the table."""
    recorder = Timings()
    recorder.record("n" * 5000, 1.0)
    assert len(recorder.figures()[0].model) == 80
    recorder.leave(tmp_path)
    assert len(json.loads(next(tmp_path.iterdir()).read_text())) == 1


def test_every_opened_model_is_timed() -> None:
    """Running the shipped anatomy network adds its runs under its card's label."""
    from engine.shipped import shipped

    TIMINGS.forget()
    card, runtime = runtimes.open_model(shipped("models", "eye_anatomy"), precision="f32")
    assert (runtime.name, runtime.device, runtime.precision) == ("openvino", "cpu", "f32")
    batch = np.zeros((1, *card.input.shape), np.float32)
    for _ in range(3):
        runtime.run(batch)
    rows = {row.model: row for row in timings.TIMINGS.figures()}
    assert rows[card.label].count == 3
    assert 0 < rows[card.label].p50_s < 10
    TIMINGS.forget()
