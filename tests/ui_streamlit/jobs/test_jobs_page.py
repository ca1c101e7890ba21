"""The jobs page: empty, filled, one job, and what may be done to jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.errors import StoreError
from engine.jobs.folders import JobFolder
from engine.jobs.live import Live, write_live
from engine.jobs.logs import append_line
from engine.store import now
from engine.store.records import Job, ResultRef
from tests.ui_streamlit.studio import Studio, words


def put(studio: Studio, **fields: Any) -> Job:
    """Store a job as a worker would have left it."""
    fields = {"task": "verify_files", "title": "Check all files", "created_by": "visitor"} | fields
    job = Job(**fields)
    with studio.workbench.store.jobs.transaction() as jobs:
        jobs.put(job)
    return job


def state_of(studio: Studio, job: Job) -> Job:
    return studio.workbench.queue.get(job.id)


def press(page: AppTest, label: str) -> AppTest:
    """Press the only button with that label."""
    (button,) = [button for button in page.button if button.label == label]
    return button.click().run()


def test_without_jobs_it_says_how_to_begin(open_studio: Studio) -> None:
    """The empty state names the sample data."""
    assert "No jobs yet" in words(open_studio.open("jobs"))


def test_each_state_has_its_word(open_studio: Studio) -> None:
    """Every state of a job is listed under a word that a person understands."""
    at = now() - timedelta(minutes=9)
    for state in ("pending", "processing", "completed", "failed", "cancelled", "stuck"):
        put(open_studio, state=state, title=f"Title {state}", started_at=at, heartbeat_at=at)
    seen = words(open_studio.open("jobs"))
    for word in ("Waiting", "Running", "Done", "Failed", "Cancelled", "Stuck"):
        assert word in seen
    assert "6 jobs: 1 running, 1 waiting, 1 stuck, 1 failed, 1 done, 1 cancelled" in seen


def test_live_progress_is_shown(open_studio: Studio) -> None:
    """Stage, share and time left of a running job come from its live file, not from the record."""
    job = put(open_studio, state="processing", started_at=now(), attempts=1)
    folder = JobFolder.of(open_studio.settings, job.id)
    folder.path.mkdir(parents=True)
    live = Live(fraction=0.42, stage="Reading", message="21 of 50", eta_s=90, heartbeat_at=now())
    write_live(folder, 1, live)
    seen = words(open_studio.open("jobs"))
    assert "Reading · 21 of 50 · 42 % · about 1 min" in seen
    assert 'aria-valuenow="42"' in seen


def test_filters_come_from_the_address(open_studio: Studio) -> None:
    """A link with a state and words lists what matches them, and says when nothing does."""
    put(open_studio, state="failed", title="Nightly backup", error="The disk is full.")
    put(open_studio, state="completed", title="Sample data")
    failed = words(open_studio.open("jobs", state="Failed"))
    assert "Nightly backup" in failed
    assert "Sample data" not in failed
    found = words(open_studio.open("jobs", find="sample"))
    assert "Sample data" in found
    assert "Nightly backup" not in found
    assert "No job matches" in words(open_studio.open("jobs", find="nothing of the kind"))


def test_a_link_opens_one_job_with_its_log_and_results(open_studio: Studio) -> None:
    """The address names the job; what it made and what it logged stand there."""
    results = (ResultRef(kind="file", ref="ab" * 32, title="report.csv"),)
    job = put(open_studio, state="completed", results=results, message="All are well")
    folder = JobFolder.of(open_studio.settings, job.id)
    folder.path.mkdir(parents=True)
    append_line(folder.log, "file 7 of 9 is as it should be")
    seen = words(open_studio.open("jobs", job=job.id))
    assert "file 7 of 9 is as it should be" in seen
    assert f"/files/{'ab' * 32}" in seen
    assert "All are well" in seen


def test_a_failed_job_tells_why(open_studio: Studio) -> None:
    """The reason stands in the page of the job; markup in it stays text."""
    job = put(open_studio, state="failed", error="Expected 1 GB at *there*, but 3 MB are free.")
    page = open_studio.open("jobs", job=job.id)
    assert page.error[0].value == r"Expected 1 GB at \*there\*, but 3 MB are free."


def test_a_paused_job_tells_why(open_studio: Studio) -> None:
    """When memory is short the page of the job says so, with the figure that the guard gave."""
    job = put(open_studio, state="processing", started_at=now(), attempts=1)
    folder = JobFolder.of(open_studio.settings, job.id)
    folder.path.mkdir(parents=True)
    why = "Waits for memory: 312 MB are free, 500 MB must stay free."
    write_live(folder, 1, Live(fraction=0.5, paused_because=why, heartbeat_at=now()))
    page = open_studio.open("jobs", job=job.id)
    assert page.warning[0].value == why
    assert "Paused" in words(page)


@pytest.mark.parametrize("name", ["01nothing", "../../etc/passwd", "<script>"])
def test_a_job_that_is_not_there(open_studio: Studio, name: str) -> None:
    """A wrong link says so; nothing of it is read as markup or as a path."""
    page = open_studio.open("jobs", job=name)
    assert "This job is not here" in words(page)
    assert not page.exception


def test_cancelling_asks_first_and_names_the_loss(open_studio: Studio) -> None:
    """Nothing is cancelled by the first press; the second one does it and says so."""
    job = put(open_studio, title="Long work")
    page = press(open_studio.open("jobs"), "Cancel")
    assert state_of(open_studio, job).state == "pending"
    assert "What will be lost" in words(page)
    assert "Long work: its place in the queue" in words(page)
    page = press(page, "Cancel the job")
    assert state_of(open_studio, job).state == "cancelled"
    assert "1 job cancelled." in words(page)


def test_keeping_changes_nothing(open_studio: Studio) -> None:
    """The other button of the question leaves the job alone."""
    job = put(open_studio)
    press(press(open_studio.open("jobs"), "Cancel"), "Keep everything as it is")
    assert state_of(open_studio, job).state == "pending"


def test_a_stuck_job_is_reset(open_studio: Studio) -> None:
    """After the question it waits again."""
    job = put(open_studio, state="stuck", attempts=1, heartbeat_at=now())
    page = open_studio.open("jobs", job=job.id)
    reset = press(page, "Reset")
    reset.button(key="studio_agree").click().run()
    assert state_of(open_studio, job).state == "pending"


def test_a_failed_job_is_tried_again(open_studio: Studio) -> None:
    """Retry makes a new job that names the old one; the old one stays as it ended."""
    job = put(open_studio, task="sample_data", state="failed", error="No.")
    page = press(open_studio.open("jobs", job=job.id), "Retry")
    again = [one for one in open_studio.workbench.queue.all() if one.retry_of == job.id]
    assert len(again) == 1
    assert state_of(open_studio, job).state == "failed"
    assert "1 job started again." in words(page)


def test_many_at_once(open_studio: Studio) -> None:
    """Chosen jobs are cancelled together, the others stay; the question counts them."""
    first, second, third = (put(open_studio, title=f"Work {number}") for number in range(3))
    page = open_studio.open("jobs")
    page.checkbox(key=f"pick-job-{first.id}").check()
    page.checkbox(key=f"pick-job-{second.id}").check().run()
    page = press(page, "Cancel 2")
    assert "Cancel 2 jobs?" in words(page) or "Cancel 2 jobs" in words(page)
    page.button(key="studio_agree").click().run()
    states = [state_of(open_studio, job).state for job in (first, second, third)]
    assert states == ["cancelled", "cancelled", "pending"]


def test_all_of_a_page_can_be_chosen(open_studio: Studio) -> None:
    """One press chooses what is listed, another one lets it go."""
    for number in range(3):
        put(open_studio, title=f"Work {number}")
    page = press(open_studio.open("jobs"), "Choose all")
    assert all(box.value for box in page.checkbox)
    page = press(page, "Choose none")
    assert not any(box.value for box in page.checkbox)


def test_a_long_list_has_pages(open_studio: Studio) -> None:
    """Thirty jobs are not thirty rows."""
    for number in range(30):
        put(open_studio, title=f"Work {number}")
    page = open_studio.open("jobs")
    assert len(page.checkbox) == 12


def test_only_own_jobs_have_buttons(studio: Studio) -> None:
    """Somebody who is no administrator sees all jobs, but may stop only their own."""
    studio.sign_in("ADMIN", name="Bo Other")
    put(studio, created_by="bo", title="Of Bo")
    user = studio.sign_in("ANNOTATOR")
    page = studio.open("jobs")
    assert "Of Bo" in words(page)
    assert not [button for button in page.button if button.label == "Cancel"]
    put(studio, created_by=user.id, title="Own")
    page = studio.open("jobs")
    assert len([button for button in page.button if button.label == "Cancel"]) == 1


def test_a_question_asked_before_signing_out_is_not_acted_on(studio: Studio) -> None:
    """Permission is asked again when the question is answered."""
    user = studio.sign_in("ANNOTATOR")
    job = put(studio, created_by=user.id)
    page = press(studio.open("jobs"), "Cancel")
    studio.sign_out()
    page.button(key="studio_agree").click().run()
    assert state_of(studio, job).state == "pending"


def test_an_unreadable_store_is_a_sentence(
    open_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When jobs cannot be read the page says what the store says, without a trace."""
    put(open_studio)
    path = next((open_studio.settings.home / "records").glob("jobs*.json"))
    path.write_bytes(path.read_bytes()[:-20])
    page = open_studio.open("jobs")
    assert page.error
    assert "Traceback" not in words(page)
    assert issubclass(StoreError, Exception)


def test_words_of_a_job_are_never_markup(open_studio: Studio) -> None:
    """A title with markup is shown as it was typed."""
    job = put(open_studio, title="**<img src=x onerror=alert(1)>**", state="completed")
    job = replace(job, message="<script>alert(1)</script>")
    with open_studio.workbench.store.jobs.transaction() as jobs:
        jobs.put(job)
    page = open_studio.open("jobs")
    assert "<script>alert" not in "".join(str(html.proto) for html in page.get("html"))
