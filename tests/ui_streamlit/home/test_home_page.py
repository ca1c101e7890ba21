"""The first page: first steps, what waits for whom, what is here."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO

import pytest
from PIL import Image as Drawn

from engine.store import now
from engine.store.records import Dataset, Image, Job, ModelRecord, User
from tests.engine.catalogue.training_house import House
from tests.ui_streamlit.studio import Studio, words


def put(studio: Studio, name: str, *records: object) -> None:
    with studio.workbench.store[name].transaction() as held:
        for record in records:
            held.put(record)


def a_picture(studio: Studio, colour: str = "teal", **fields: object) -> Image:
    drawn = BytesIO()
    Drawn.new("RGB", (64, 48), colour).save(drawn, "PNG")
    ref = studio.workbench.files.put(drawn.getvalue(), media_type="image/png")
    about = {"name": f"{colour}.png", "sha256": ref.sha256, "media_type": "image/png"}
    return Image(**(about | {"size_bytes": ref.size} | fields))


def test_an_empty_home_begins_with_sample_data(open_studio: Studio) -> None:
    """One press starts the job, as the one who pressed; the page shows that it is at work."""
    page = open_studio.open()
    page.button[0].click().run()
    (job,) = open_studio.workbench.queue.all()
    assert (job.task, job.created_by) == ("sample_data", "visitor")
    assert "Open the job" in words(page)
    assert "Add sample data" not in [button.label for button in page.button]


def test_who_may_not_add_is_told_whom_to_ask(studio: Studio) -> None:
    """An annotator sees no button that would be refused."""
    studio.sign_in("ANNOTATOR")
    page = studio.open()
    assert "Ask an uploader or an administrator" in words(page)
    assert not page.button


def test_sample_data_that_failed_says_why_and_can_be_tried_again(open_studio: Studio) -> None:
    """The reason stands above the button."""
    put(open_studio, "jobs", Job(task="sample_data", state="failed", error="The disk is full."))
    page = open_studio.open()
    assert page.error[0].value == "The disk is full."
    assert "Add sample data" in [button.label for button in page.button]


def test_with_data_the_first_steps_are_gone(open_studio: Studio) -> None:
    """Numbers and the newest pictures take their place."""
    put(open_studio, "datasets", Dataset(name="Tissue"))
    put(open_studio, "images", a_picture(open_studio), a_picture(open_studio, "plum"))
    page = open_studio.open()
    seen = words(page)
    assert "First steps" not in seen
    assert {metric.label: metric.value for metric in page.metric}["Pictures"] == "2"
    assert "teal.png" in seen
    assert "plum.png" in seen


def test_a_missing_file_is_named(open_studio: Studio) -> None:
    """A picture whose file is gone does not take the page with it."""
    gone = Image(name="gone.png", sha256="ab" * 32, media_type="image/png")
    put(open_studio, "images", gone, a_picture(open_studio))
    seen = words(open_studio.open())
    assert "gone.png: its file is missing" in seen
    assert "Something went wrong" not in seen


def test_a_failed_job_waits_for_its_owner_alone(studio: Studio) -> None:
    """Who started it is told, with a link to it; others are not."""
    ann = studio.sign_in("UPLOADER")
    job = Job(task="t", title="Import", state="failed", created_by=ann.id, finished_at=now())
    put(studio, "jobs", job)
    seen = words(studio.open())
    assert "Your job “Import” failed" in seen
    assert f"job={job.id}" in seen
    studio.sign_in("ANNOTATOR")
    assert "Import" not in words(studio.open())


def test_a_repeated_or_old_failure_does_not_wait(open_studio: Studio) -> None:
    """What was tried again, or failed a week ago, needs nobody any more."""
    old = now() - timedelta(days=8)
    repeated = Job(task="t", state="failed", created_by="visitor", finished_at=now())
    again = Job(task="t", state="completed", created_by="visitor", retry_of=repeated.id)
    stale = Job(task="t", state="failed", created_by="visitor", created_at=old, finished_at=old)
    put(open_studio, "jobs", repeated, again, stale)
    assert "failed" not in words(open_studio.open()).replace("--lb", "")


def test_an_administrator_sees_what_the_server_needs(studio: Studio) -> None:
    """Stuck jobs, people at the door, no backup."""
    studio.sign_in("ADMIN")
    put(studio, "jobs", Job(task="t", state="stuck"), Job(task="t", state="stuck"))
    put(studio, "users", User(name="New", email="new@example.org", role="ANNOTATOR", waiting=True))
    seen = words(studio.open())
    assert "2 jobs stuck" in seen
    assert "1 person waits to be let in" in seen
    assert "There is no good backup yet" in seen


@pytest.mark.parametrize("role", ["UPLOADER", "ANNOTATOR", "REVIEWER"])
def test_others_do_not_see_what_the_server_needs(studio: Studio, role: str) -> None:
    """Nobody else is told of people, backups or other people's jobs."""
    studio.sign_in(role)
    put(studio, "jobs", Job(task="t", state="stuck"))
    put(studio, "users", User(name="New", email="new@example.org", role="ANNOTATOR", waiting=True))
    seen = words(studio.open())
    assert "stuck" not in seen
    assert "to be let in" not in seen
    assert "backup" not in seen.replace("backups.py", "")


def test_pictures_wait_for_those_who_do_them(studio: Studio) -> None:
    """What is assigned waits for the annotator, what is to be reviewed for reviewers."""
    ann = studio.sign_in("ANNOTATOR")
    put(
        studio,
        "images",
        a_picture(studio, assigned_to=ann.id),
        a_picture(studio, "plum", status="to_review"),
    )
    seen = words(studio.open())
    assert "1 picture to annotate" in seen
    assert "to review" not in seen
    studio.sign_in("REVIEWER")
    assert "1 picture to review" in words(studio.open())


def test_a_damaged_collection_is_a_sentence(open_studio: Studio) -> None:
    """The page stands, and names what is damaged."""
    put(open_studio, "datasets", Dataset(name="Tissue"))
    (path,) = (open_studio.settings.home / "records").glob("datasets.json")
    path.write_bytes(path.read_bytes()[:-9])
    page = open_studio.open()
    assert page.title
    assert page.error
    assert "datasets" in words(page)
    assert "Something went wrong" not in words(page)


def test_the_first_masks_lead_to_a_training(studio: Studio) -> None:
    """Who may train is led there, others are not; after the first model nobody is."""
    house = House.at(studio.settings.home, count=2)
    house.bench.close()
    studio.sign_in("ANNOTATOR")
    seen = words(studio.open())
    assert "Next: a model of your own" in seen
    assert "2 pictures here have a mask" in seen
    studio.sign_in("UPLOADER")
    assert "Next: a model of your own" not in words(studio.open())
    studio.sign_in("ADMIN")
    assert "Next: a model of your own" in words(studio.open())
    put(studio, "models", ModelRecord(name="First"))
    assert "Next: a model of your own" not in words(studio.open())
