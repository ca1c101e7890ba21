"""The last hour's samples: bounded, kept over restarts, unharmed by torn lines."""

from __future__ import annotations

from pathlib import Path

from engine.monitoring.history import History
from tests.engine.monitoring.samples import a_sample


def test_a_restart_finds_the_last_hour(tmp_path: Path) -> None:
    """Samples of the last hour come back, older ones do not."""
    path = tmp_path / "logs" / "monitoring.jsonl"
    first = History(path)
    first.load(now=10_000.0)
    for at in (1_000.0, 6_401.0, 9_999.0):
        first.add(a_sample(at))
    second = History(path)
    second.load(now=10_000.0)
    assert [one.at for one in second.since(0)] == [6_401.0, 9_999.0]


def test_memory_and_file_stay_bounded(tmp_path: Path) -> None:
    """Ten thousand samples leave at most an hour's in memory and two hours' in the file."""
    path = tmp_path / "monitoring.jsonl"
    history = History(path, most=50)
    history.load(now=0.0)
    for number in range(1_000):
        history.add(a_sample(float(number)))
    assert len(history.since(0)) == 50
    assert len(path.read_text().splitlines()) <= 101
    assert [path.name for path in tmp_path.iterdir()] == ["monitoring.jsonl"]


def test_a_torn_end_is_skipped(tmp_path: Path) -> None:
    """A crash in the middle of a line costs that line alone, and the next start heals the file."""
    path = tmp_path / "monitoring.jsonl"
    good = a_sample(100.0).to_line()
    path.write_text(f"{good}\n\x00\x00garbage\n{good[:50]}")
    history = History(path)
    history.load(now=200.0)
    assert [one.at for one in history.since(0)] == [100.0]
    assert path.read_text() == good + "\n"


def test_samples_of_the_future_are_left_out(tmp_path: Path) -> None:
    """After a clock was set back, samples that have not happened yet are dropped."""
    path = tmp_path / "monitoring.jsonl"
    path.write_text(a_sample(5_000.0).to_line() + "\n")
    history = History(path)
    history.load(now=2_000.0)
    assert history.since(0) == ()


def test_another_process_reads_what_one_keeps(tmp_path: Path) -> None:
    """A reader sees new samples after a refresh, without writing anything."""
    path = tmp_path / "monitoring.jsonl"
    writer, reader = History(path), History(path)
    writer.load(now=1_000.0)
    writer.add(a_sample(999.0))
    reader.refresh(now=1_000.0)
    assert [one.at for one in reader.since(0)] == [999.0]
    writer.add(a_sample(1_004.0))
    reader.refresh(now=1_005.0)
    assert [one.at for one in reader.since(999.0)] == [1_004.0]


def test_a_folder_that_cannot_be_written_keeps_samples_in_memory(tmp_path: Path) -> None:
    """Where a file is in the way of the folder, sampling goes on."""
    (tmp_path / "logs").write_text("in the way")
    history = History(tmp_path / "logs" / "monitoring.jsonl")
    history.load(now=10.0)
    history.add(a_sample(9.0))
    history.refresh(now=10.0)
    assert [one.at for one in history.since(0)] == [9.0]
