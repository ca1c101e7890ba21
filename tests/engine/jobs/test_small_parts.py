"""Log, pace, progress file and lifelines: the small parts of a job, each by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import BusyError
from engine.jobs import lifeline, logs
from engine.jobs.folders import JobFolder, read_json, write_json
from engine.jobs.live import Live, merged, read_live, write_live
from engine.jobs.outcomes import Outcome, read_outcome, write_outcome
from engine.jobs.pace import Pace
from engine.jobs.presence import Presence, is_gone, workers_seen
from engine.settings import Settings
from engine.store import now
from engine.store.records import Job, ResultRef


class Clock:
    """Seconds that a test sets."""

    at = 0.0

    def __call__(self) -> float:
        """Return them."""
        return self.at


class TestPace:
    """Seconds to the end, by hand arithmetic."""

    def test_an_even_pace(self) -> None:
        """A tenth each second: after 4 s, 6 s are left."""
        clock = Clock()
        pace = Pace(clock)
        for second in range(5):
            clock.at = float(second)
            left = pace.eta_s(second / 10)
        assert left == pytest.approx(6.0)

    def test_nobody_can_tell_at_first(self) -> None:
        """No figure without a fraction, before half a second, or while nothing moves."""
        clock = Clock()
        pace = Pace(clock)
        assert pace.eta_s(None) is None
        assert pace.eta_s(0.0) is None
        clock.at = 0.2
        assert pace.eta_s(0.1) is None
        clock.at = 5.0
        assert Pace(clock).eta_s(0.5) is None

    def test_what_was_done_before_does_not_count(self) -> None:
        """Resumed at 80 %, 10 % in 10 s: the last 10 % take 10 s more, not 1."""
        clock = Clock()
        pace = Pace(clock)
        pace.eta_s(0.8)
        clock.at = 10.0
        assert pace.eta_s(0.9) == pytest.approx(10.0)

    def test_a_job_that_slows_down_is_noticed(self) -> None:
        """Half in 5 s, then a hundredth in 5 s: more than at the pace of the whole is left."""
        clock = Clock()
        pace = Pace(clock)
        pace.eta_s(0.0)
        clock.at = 5.0
        pace.eta_s(0.5)
        clock.at = 10.0
        left = pace.eta_s(0.51)
        assert left is not None
        assert left > 10.0 * 0.49 / 0.51

    def test_a_new_stage_that_counts_anew(self) -> None:
        """A fraction that falls begins a new count instead of a nonsense figure."""
        clock = Clock()
        pace = Pace(clock)
        pace.eta_s(0.0)
        clock.at = 5.0
        pace.eta_s(0.9)
        clock.at = 6.0
        assert pace.eta_s(0.1) is None


class TestLog:
    """Lines for people."""

    def test_one_line_each_with_the_time(self, tmp_path: Path) -> None:
        """Line breaks cannot forge another line, and the last lines come oldest first."""
        path = tmp_path / "log.txt"
        for text in ("first", "second\n2000-01-01 forged", "third"):
            logs.append_line(path, text)
        tail = logs.last_lines(path, 2)
        assert [line[20:] for line in tail] == ["second 2000-01-01 forged", "third"]

    def test_it_stays_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Above the limit the older half goes and says so; the youngest line is there."""
        monkeypatch.setattr(logs, "_LONGEST_LOG", 4_000)
        path = tmp_path / "log.txt"
        for number in range(200):
            logs.append_line(path, f"line {number} " + "x" * 40)
        assert path.stat().st_size < 5_000
        assert path.read_text().startswith("(earlier lines were dropped)")
        assert "line 199" in logs.last_lines(path, 1)[0]

    def test_none_is_no_error(self, tmp_path: Path) -> None:
        """A job that logged nothing has no lines."""
        assert logs.last_lines(tmp_path / "nothing", 10) == ()


class TestFiles:
    """Progress and ends in files."""

    def test_progress_is_laid_over_the_record(self, tmp_path: Path) -> None:
        """What was written comes back; of another attempt there is none."""
        folder = JobFolder(tmp_path)
        live = Live(fraction=0.25, stage="s", message="m", eta_s=3.0, heartbeat_at=now())
        write_live(folder, 2, live)
        assert read_live(folder, 2) == live
        assert read_live(folder, 1) is None
        seen = merged(Job(task="t", state="processing"), live)
        assert (seen.fraction, seen.stage, seen.eta_s) == (0.25, "s", 3.0)

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"fraction": 1}', '{"fraction": "many"}'])
    def test_a_file_that_is_no_progress_is_none(self, tmp_path: Path, text: str) -> None:
        """Whatever lies there, the page shows the record."""
        (tmp_path / "live-1.json").write_text(text)
        assert read_live(JobFolder(tmp_path), 1) is None

    def test_an_end_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        """Ending, sentences and results; half a file counts as none."""
        folder = JobFolder(tmp_path)
        end = Outcome(ending="failed", error="e", results=(ResultRef(kind="a", ref="b"),))
        write_outcome(folder, 1, end)
        assert read_outcome(folder, 1) == end
        (tmp_path / "outcome-2.json").write_text('{"ending": "completed"}')
        assert read_outcome(folder, 2) is None

    def test_an_attempt_begins_without_the_words_of_earlier_ones(self, tmp_path: Path) -> None:
        """Progress and ends go; a checkpoint stays where the task can resume."""
        folder = JobFolder(tmp_path / "job")
        folder.prepare(1, keeps_checkpoint=True)
        write_outcome(folder, 1, Outcome(ending="stopped"))
        (folder.checkpoint / "saved").write_text("7")
        folder.prepare(2, keeps_checkpoint=True)
        assert read_outcome(folder, 1) is None
        assert (folder.checkpoint / "saved").read_text() == "7"
        folder.prepare(3, keeps_checkpoint=False)
        assert list(folder.checkpoint.iterdir()) == []

    def test_a_file_is_replaced_in_one_step(self, tmp_path: Path) -> None:
        """What cannot be written leaves the old one, whole."""
        path = tmp_path / "x.json"
        write_json(path, {"a": 1}, durable=True)
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(path, {"a": float("nan")})
        assert read_json(path) == {"a": 1}


class TestLifeline:
    """Who works on a job, and which worker lives."""

    def test_one_process_at_a_time_holds_a_job(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While another process has the lock, nobody else works; after its death, anybody."""
        monkeypatch.setattr(lifeline, "_LOCK_WAIT_S", 0.3)
        code = (
            "import sys; from pathlib import Path; from engine.jobs.lifeline import hold_lock; "
            "held = hold_lock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "lock")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            with pytest.raises(BusyError, match="An earlier attempt at this job still runs"):
                lifeline.hold_lock(tmp_path / "lock")
            other.kill()
            other.wait()
        os.close(lifeline.hold_lock(tmp_path / "lock"))

    def test_a_worker_is_gone_when_its_process_is(self, tmp_path: Path) -> None:
        """Known by its lock; of another machine's worker nobody here can tell."""
        settings = Settings(home=tmp_path)
        with Presence(settings, cores=2) as presence:
            assert not is_gone(settings, presence.worker)
            (seen,) = workers_seen(settings)
            assert (seen.worker, seen.is_alive, seen.cores) == (presence.worker, True, 2)
        assert is_gone(settings, presence.worker)
        assert workers_seen(settings) == ()
        assert not is_gone(settings, "elsewhere-1-abc")

    def test_a_heartbeat_that_is_late_is_no_life(self, tmp_path: Path) -> None:
        """A worker of another machine is believed as long as its heartbeat is fresh."""
        settings = Settings(home=tmp_path)
        with Presence(settings, cores=1) as presence:
            path = tmp_path / "jobs" / "workers" / f"{presence.worker}.json"
            told = json.loads(path.read_text())
            other = {**told, "worker": "elsewhere-1-abc", "host": "elsewhere"}
            path.with_name("elsewhere-1-abc.json").write_text(json.dumps(other))
            alive = {one.worker: one.is_alive for one in workers_seen(settings)}
            assert alive == {presence.worker: True, "elsewhere-1-abc": True}
            other["seen_at"] = replace(Job(task="t")).created_at.replace(year=2020).isoformat()
            path.with_name("elsewhere-1-abc.json").write_text(json.dumps(other))
            alive = {one.worker: one.is_alive for one in workers_seen(settings)}
            assert alive["elsewhere-1-abc"] is False
