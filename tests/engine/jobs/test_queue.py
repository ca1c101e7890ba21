"""The queue without a worker: what is taken, refused, ordered, cancelled, retried and counted."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import (
    MemoryShortError,
    NotAllowedError,
    NotFoundError,
    NotSignedInError,
    RequestError,
)
from engine.jobs import transitions
from engine.jobs.choosing import UNLIMITED, Room
from engine.jobs.outcomes import Outcome
from engine.jobs.queue import Queue
from engine.people.actors import NOBODY, VISITOR, Actor
from engine.people.audit import Filters, open_audit
from engine.store import now
from engine.store.records import Job
from tests.engine.jobs.small_tasks import SMALL_TASKS
from tests.engine.jobs.workplace import ROOT, Workplace

ANNA = Actor(id="anna", name="Anna", role="ANNOTATOR")
BERT = Actor(id="bert", name="Bert", role="UPLOADER")
ADMIN = Actor(id="admin", name="Ada", role="ADMIN")


def put(workplace: Workplace, job: Job) -> Job:
    """Write a job as some worker would have left it."""
    with workplace.store.jobs.transaction() as jobs:
        jobs.put(job)
    return job


class TestSubmitting:
    """What a request becomes."""

    def test_a_job_waits_with_what_it_was_given(self, workplace: Workplace) -> None:
        """A new job is pending, belongs to whoever asked, and survives a new process."""
        job = workplace.queue.submit(
            "count", {"to": 3}, actor=ANNA, title="Three", priority=7, idempotency_key="k"
        )
        again = Workplace.at(workplace.home).queue.get(job.id)
        assert again == job
        assert (again.state, again.created_by, again.title) == ("pending", "anna", "Three")
        assert (again.priority, again.payload["to"], again.attempts) == (7, 3, 0)

    def test_a_title_may_be_left_to_the_task(self, workplace: Workplace) -> None:
        """Without a title, the task's stands there."""
        assert workplace.submit("quick").title == "Quick"

    def test_an_unknown_task_is_named(self, workplace: Workplace) -> None:
        """The message names the tasks that there are."""
        with pytest.raises(NotFoundError, match=r"no task 'dance'; tasks are .*quick"):
            workplace.submit("dance")

    @pytest.mark.parametrize("priority", [101, -101, 1.5, True, "high"])
    def test_a_strange_priority_is_refused(self, workplace: Workplace, priority: object) -> None:
        """Priorities are whole numbers from −100 to 100."""
        with pytest.raises(RequestError, match=r"'priority' must be a whole number from -100"):
            workplace.queue.submit("quick", actor=VISITOR, priority=priority)  # type: ignore[arg-type]

    @pytest.mark.parametrize("title", ["a\nb", "x" * 201, "\x1b[31m"])
    def test_a_title_is_one_line(self, workplace: Workplace, title: str) -> None:
        """No line breaks, no control codes, no novels."""
        with pytest.raises(RequestError, match="'title' must be a line of text"):
            workplace.queue.submit("quick", actor=VISITOR, title=title)

    @pytest.mark.parametrize(
        "payload",
        [{"x": float("nan")}, {"x": object()}, {"x": {1, 2}}],
        ids=["nan", "object", "set"],
    )
    def test_a_payload_is_json(self, workplace: Workplace, payload: dict[str, object]) -> None:
        """What JSON cannot hold is refused before it is stored."""
        with pytest.raises(RequestError, match="'payload' must be a JSON object"):
            workplace.queue.submit("quick", payload, actor=VISITOR)

    def test_a_huge_payload_belongs_into_a_file(self, workplace: Workplace) -> None:
        """100 000 characters are the limit, and the message says what to do."""
        with pytest.raises(RequestError, match="Store large things as files"):
            workplace.submit("quick", text="x" * 100_001)

    def test_a_job_that_can_never_fit_is_refused_with_the_figures(
        self, workplace: Workplace
    ) -> None:
        """A forecast above all memory there is refuses the job at once."""
        with pytest.raises(
            MemoryShortError, match=r"needs about 99000000 MB .* but at most \d+ MB"
        ):
            workplace.submit("quick", need_mb=99_000_000)

    def test_a_job_above_its_own_limit_is_refused(self, workplace: Workplace) -> None:
        """LIGHTBOX_JOB_MEMORY_MB bounds forecasts as well."""
        settings = replace(workplace.settings, job_memory_mb=300)
        queue = Queue(workplace.store, settings, tasks=SMALL_TASKS)
        with pytest.raises(MemoryShortError, match=r"needs about 400 MB .* at most 300 MB"):
            queue.submit("quick", {"need_mb": 400}, actor=VISITOR)

    def test_one_key_makes_one_job(self, workplace: Workplace) -> None:
        """The same request twice, at once from eight threads, is one job."""

        def ask(_: int) -> str:
            return workplace.queue.submit(
                "count", {"to": [1, 2]}, actor=VISITOR, idempotency_key="same"
            ).id

        with ThreadPoolExecutor(8) as threads:
            assert len(set(threads.map(ask, range(8)))) == 1
        assert workplace.queue.counts()["pending"] == 1

    def test_a_key_stands_for_one_request(self, workplace: Workplace) -> None:
        """The same key for another payload is a mistake, and told."""
        workplace.queue.submit("count", {"to": 1}, actor=VISITOR, idempotency_key="k")
        with pytest.raises(RequestError, match="'idempotency_key' was used before"):
            workplace.queue.submit("count", {"to": 2}, actor=VISITOR, idempotency_key="k")

    def test_a_key_may_be_used_again_after_a_failure(self, workplace: Workplace) -> None:
        """Who sends a failed request again gets a new job, not the old failure."""
        first = workplace.queue.submit("quick", actor=VISITOR, idempotency_key="k")
        put(workplace, transitions.failed(first, code="x", error="y", at=now()))
        second = workplace.queue.submit("quick", actor=VISITOR, idempotency_key="k")
        assert second.id != first.id
        assert second.state == "pending"

    def test_a_job_to_wait_for_must_exist(self, workplace: Workplace) -> None:
        """An unknown id in ``after`` is refused, and nothing is stored."""
        with pytest.raises(NotFoundError, match="a job to wait for"):
            workplace.queue.submit("quick", actor=VISITOR, after=["nowhere"])
        assert len(workplace.queue.all()) == 0


class TestOrder:
    """Who goes first, and who waits."""

    def test_higher_priority_first_then_older(self, workplace: Workplace) -> None:
        """5 before 0 before −5, and among equals the older one."""
        made = {
            name: workplace.queue.submit("quick", actor=VISITOR, title=name, priority=priority)
            for name, priority in (("a", 0), ("b", -5), ("c", 5), ("d", 0))
        }
        order = [workplace.queue.claim("w") for _ in made]
        assert [job.title for job in order if job] == ["c", "a", "d", "b"]
        assert workplace.queue.claim("w") is None

    def test_a_job_waits_for_those_before_it(self, workplace: Workplace) -> None:
        """Not before the other one is completed, however high its priority."""
        first = workplace.submit("quick")
        second = workplace.queue.submit("quick", actor=VISITOR, priority=9, after=[first.id])
        claimed = workplace.queue.claim("w")
        assert claimed is not None
        assert claimed.id == first.id
        assert workplace.queue.claim("w") is None
        assert workplace.queue.get(second.id).paused_because == (
            "Waits for one other job to be completed first."
        )
        workplace.queue.finish(claimed, Outcome(ending="completed"))
        last = workplace.queue.claim("w")
        assert last is not None
        assert last.id == second.id

    def test_a_job_after_a_failed_one_fails_with_the_reason(self, workplace: Workplace) -> None:
        """Waiting for ever helps nobody."""
        first = workplace.queue.submit("quick", actor=VISITOR, title="Import")
        second = workplace.queue.submit("quick", actor=VISITOR, after=[first.id])
        workplace.queue.cancel(first.id, VISITOR)
        assert workplace.queue.claim("w") is None
        ended = workplace.queue.get(second.id)
        assert (ended.state, ended.error_code) == ("failed", "dependency_failed")
        assert "“Import” had to come first, but was cancelled" in ended.error

    def test_a_job_waits_for_memory_and_says_so(self, workplace: Workplace) -> None:
        """1000 needed, 1200 free, 500 to stay free: it waits, and a smaller one passes."""
        large = workplace.submit("quick", need_mb=1000)
        small = workplace.submit("quick", need_mb=600)
        room = Room(free_mb=1200, total_mb=4000, floor_mb=500, cores=2, all_cores=2)
        claimed = workplace.queue.claim("w", room)
        assert claimed is not None
        assert claimed.id == small.id
        assert workplace.queue.get(large.id).paused_because == (
            "Waits for memory: it needs about 1000 MB, 1200 MB are free, and 500 MB must stay free."
        )

    def test_a_large_job_is_not_overtaken_for_ever(self, workplace: Workplace) -> None:
        """After five minutes of waiting, room is kept free for it."""
        large = workplace.submit("quick", need_mb=1000)
        put(workplace, replace(large, created_at=now() - timedelta(minutes=6)))
        workplace.submit("quick", need_mb=10)
        room = Room(free_mb=1200, total_mb=4000, floor_mb=500, cores=2, all_cores=2)
        assert workplace.queue.claim("w", room) is None

    def test_a_job_of_all_cores_waits_until_it_is_alone(self, workplace: Workplace) -> None:
        """One that asks for 64 cores on a machine of 2 gets both, when both are free."""
        workplace.submit("quick", cores=64)
        room = Room(free_mb=1e6, total_mb=1e6, floor_mb=0, cores=1, all_cores=2)
        assert workplace.queue.claim("w", room) is None
        assert workplace.queue.claim("w", replace(room, cores=2)) is not None

    def test_a_machine_that_shrank_refuses_what_it_took(self, workplace: Workplace) -> None:
        """A waiting job that can never fit any more fails with the figures."""
        job = workplace.submit("quick", need_mb=2000)
        room = Room(free_mb=900, total_mb=1500, floor_mb=500, cores=2, all_cores=2)
        assert workplace.queue.claim("w", room) is None
        ended = workplace.queue.get(job.id)
        assert (ended.state, ended.error_code) == ("failed", "memory_short")
        assert "needs about 2000 MB of memory, but at most 1000 MB" in ended.error

    def test_a_job_waits_for_graphics_memory_where_there_is_a_card(
        self, workplace: Workplace
    ) -> None:
        """6000 MB needed: waits with 4000 of 8000 free, refused by a card of 5000, runs without."""
        room = replace(UNLIMITED, gpu_free_mb=4000, gpu_total_mb=8000)
        job = put(workplace, replace(workplace.submit("quick"), need_gpu_mb=6000))
        assert workplace.queue.claim("w", room) is None
        assert "Waits for graphics memory: it needs about 6000 MB, and 4000 MB are free" in (
            workplace.queue.get(job.id).paused_because
        )
        small = replace(UNLIMITED, gpu_free_mb=5000, gpu_total_mb=5000)
        assert workplace.queue.claim("w", small) is None
        assert "but the largest card has 5000 MB" in workplace.queue.get(job.id).error
        put(workplace, replace(workplace.submit("quick"), need_gpu_mb=6000))
        assert workplace.queue.claim("w", UNLIMITED) is not None

    def test_many_processes_share_no_job(self, workplace: Workplace) -> None:
        """Four processes that claim at the same time get 24 different jobs between them."""
        for _ in range(24):
            workplace.submit("quick")
        code = (
            "import sys; from pathlib import Path; "
            "from tests.engine.jobs.workplace import Workplace; "
            "queue = Workplace.at(Path(sys.argv[1])).queue\n"
            "while (job := queue.claim(sys.argv[2])) is not None: print(job.id)"
        )
        running = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(workplace.home), f"w{number}"],
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for number in range(4)
        ]
        taken = [line for one in running for line in one.communicate(timeout=30)[0].split()]
        assert len(taken) == len(set(taken)) == 24


class TestControl:
    """Cancelling, retrying, resetting, forgetting; and by whom."""

    def test_a_waiting_job_is_cancelled_at_once(self, workplace: Workplace) -> None:
        """Nothing runs, so nothing has to be waited for."""
        job = workplace.queue.cancel(workplace.submit("quick").id, VISITOR)
        assert job.state == "cancelled"
        assert workplace.queue.claim("w") is None

    def test_what_has_ended_cannot_be_cancelled(self, workplace: Workplace) -> None:
        """The message says what it is instead."""
        job = workplace.submit("quick")
        workplace.queue.cancel(job.id, VISITOR)
        with pytest.raises(RequestError, match="but this one is cancelled"):
            workplace.queue.cancel(job.id, VISITOR)

    def test_what_runs_cannot_be_retried(self, workplace: Workplace) -> None:
        """Only what ended badly is done again."""
        with pytest.raises(RequestError, match="but this one is pending"):
            workplace.queue.retry(workplace.submit("quick").id, VISITOR)

    def test_a_retry_is_a_new_job_with_the_old_checkpoint(self, workplace: Workplace) -> None:
        """It names the old one and finds what that had saved."""
        old = workplace.submit("count", to=9)
        saved = workplace.home / "jobs" / old.id / "checkpoint" / "done"
        saved.parent.mkdir(parents=True)
        saved.write_text("5")
        put(workplace, transitions.failed(old, code="x", error="y", at=now()))
        new = workplace.queue.retry(old.id, VISITOR)
        assert (new.state, new.retry_of, new.payload["to"]) == ("pending", old.id, 9)
        moved = workplace.home / "jobs" / new.id / "checkpoint" / "done"
        assert moved.read_text() == "5"
        assert workplace.queue.get(old.id).state == "failed"

    def test_everybody_controls_their_own_jobs(self, workplace: Workplace) -> None:
        """Whoever asked may cancel and retry, whatever their role."""
        job = workplace.queue.submit("quick", actor=ANNA)
        workplace.queue.cancel(job.id, ANNA)
        assert workplace.queue.retry(job.id, ANNA).created_by == "anna"

    def test_nobody_controls_another_ones_job_but_an_administrator(
        self, workplace: Workplace
    ) -> None:
        """Bert may not touch Anna's job; Ada may."""
        job = workplace.queue.submit("quick", actor=ANNA)
        for act in (workplace.queue.cancel, workplace.queue.retry, workplace.queue.reset_stuck):
            with pytest.raises(NotAllowedError, match="started by somebody else"):
                act(job.id, BERT)
        with pytest.raises(NotAllowedError, match="ADMIN"):
            workplace.queue.reset_stuck(None, BERT)
        assert workplace.queue.cancel(job.id, ADMIN).state == "cancelled"

    def test_a_stranger_may_ask_for_nothing(self, workplace: Workplace) -> None:
        """Without a sign-in neither submitting nor cancelling."""
        with pytest.raises(NotSignedInError, match="signed in"):
            workplace.queue.submit("quick", actor=NOBODY)
        job = workplace.submit("quick")
        with pytest.raises(NotSignedInError, match="signed in"):
            workplace.queue.cancel(job.id, NOBODY)

    def test_a_task_asks_for_its_own_permission(self, workplace: Workplace) -> None:
        """What only administrators may do, an annotator cannot do as a job either."""
        task = replace(SMALL_TASKS["quick"], action="backups.restore")
        queue = Queue(workplace.store, workplace.settings, tasks={"quick": task})
        with pytest.raises(NotAllowedError, match="put a backup back"):
            queue.submit("quick", actor=ANNA)

    def test_a_stuck_job_is_reset_by_hand(self, workplace: Workplace) -> None:
        """It waits again with new attempts; others that are not stuck stay as they are."""
        stuck = workplace.submit("quick")
        taken = transitions.claimed(stuck, worker="w", at=now())
        put(workplace, transitions.hung(replace(taken, attempts=3), message="silent"))
        other = workplace.submit("quick")
        assert workplace.queue.reset_stuck(None, VISITOR) == 1
        again = workplace.queue.get(stuck.id)
        assert (again.state, again.attempts, again.max_attempts) == ("pending", 3, 6)
        assert workplace.queue.get(other.id) == other

    def test_an_ended_job_can_be_forgotten(self, workplace: Workplace) -> None:
        """Record and folder go; one that has not ended stays."""
        job = workplace.submit("quick")
        with pytest.raises(RequestError, match="cancel it first"):
            workplace.queue.forget(job.id, VISITOR)
        workplace.queue.cancel(job.id, VISITOR)
        workplace.queue.forget(job.id, VISITOR)
        with pytest.raises(NotFoundError, match="no job"):
            workplace.queue.get(job.id)

    def test_jobs_that_ended_long_ago_are_forgotten(self, workplace: Workplace) -> None:
        """Of 12 ended jobs the 10 youngest stay, and whatever has not ended."""
        waiting = workplace.submit("quick")
        made = [workplace.submit("quick") for _ in range(12)]
        for job in made:
            workplace.queue.cancel(job.id, VISITOR)
        assert workplace.queue.forget_oldest(kept=11) == 0  # not worth a transaction yet
        assert workplace.queue.forget_oldest(kept=10) == 2
        left = {job.id for job in workplace.queue.all()}
        assert left == {waiting.id, *(job.id for job in made[2:])}

    def test_what_people_do_is_in_the_audit_log(self, workplace: Workplace) -> None:
        """Submitting and cancelling leave a line each, with the job's id."""
        audit = open_audit(workplace.settings)
        queue = Queue(workplace.store, workplace.settings, tasks=SMALL_TASKS, audit=audit)
        job = queue.submit("quick", actor=ANNA)
        queue.cancel(job.id, ANNA)
        entries = audit.entries(Filters(), page=1, size=10).entries
        assert {(one.action, one.record) for one in entries} >= {
            ("jobs.submit", f"jobs/{job.id}"),
            ("jobs.cancel", f"jobs/{job.id}"),
        }


class TestFigures:
    """What the monitoring page asks."""

    def test_counts_name_every_state(self, workplace: Workplace) -> None:
        """Two pending, one cancelled, nothing else."""
        for _ in range(3):
            job = workplace.submit("quick")
        workplace.queue.cancel(job.id, VISITOR)
        assert workplace.queue.counts() == {
            "pending": 2,
            "processing": 0,
            "completed": 0,
            "failed": 0,
            "cancelled": 1,
            "stuck": 0,
        }

    def test_the_age_of_the_oldest_that_waits(self, workplace: Workplace) -> None:
        """One made 90 s ago waits for 90 s; none waits for 0."""
        assert workplace.queue.oldest_pending_age_s() == 0
        job = workplace.submit("quick")
        put(workplace, replace(job, created_at=now() - timedelta(seconds=90)))
        assert workplace.queue.oldest_pending_age_s() == pytest.approx(90, abs=5)

    def test_durations_in_the_middle(self, workplace: Workplace) -> None:
        """Of 2, 4 and 60 s the median is 4 s, whatever failed jobs took."""
        for seconds, state in (
            (2, "completed"),
            (4, "completed"),
            (60, "completed"),
            (9, "failed"),
        ):
            job = workplace.submit("quick")
            end = job.created_at + timedelta(seconds=seconds)
            put(
                workplace,
                replace(job, state=state, started_at=job.created_at, finished_at=end),  # type: ignore[arg-type]
            )
        assert workplace.queue.median_durations_s() == {"quick": 4.0}
