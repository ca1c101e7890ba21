"""From messages to jobs and back, on a real queue: nothing lost, nothing done twice."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import NotFoundError, RemoteError, SettingsError, StoreError
from engine.jobs.intake import Intake, intake_status, parked, start_intake
from engine.jobs.intake.ledger import Ledger
from tests.engine.jobs.intake.conftest import Inbox

BODY = json.dumps({"task": "look", "object": "s3://bucket/a.png", "sample_id": "s1"})


def make_visible(inbox: Inbox, reader: Intake) -> None:
    """Give held messages back, as the service does when their time is over."""
    for held in reader._held.values():
        reader._messages.hold(held.message, 0)


def test_a_message_becomes_a_job_and_is_held(inbox: Inbox) -> None:
    """The job has the object and an idempotency key; the message is hidden, not deleted."""
    message_id = inbox.send(BODY)
    done = inbox.reader().step()
    assert (done.received, done.submitted, done.held) == (1, 1, 1)
    (job,) = inbox.jobs()
    assert (job.task, job.created_by) == ("look", "intake")
    assert dict(job.payload) == {"object": "s3://bucket/a.png", "sample_id": "s1"}
    assert job.idempotency_key == f"sqs:{message_id}"
    assert inbox.counts() == (0, 1)


def test_a_message_is_deleted_when_its_job_is_completed(inbox: Inbox) -> None:
    """And not a moment before."""
    inbox.send(BODY)
    reader = inbox.reader()
    reader.step()
    (job,) = inbox.jobs()
    for state in ("processing", "stuck"):
        inbox.end(job, state)
        assert reader.step().completed == 0
        assert inbox.counts() == (0, 1)
    inbox.end(job, "completed")
    assert reader.step().completed == 1
    assert inbox.counts() == (0, 0)


def test_a_reader_that_was_killed_loses_nothing(inbox: Inbox) -> None:
    """The message comes again, meets its job and makes no second one."""
    inbox.send(BODY)
    first = inbox.reader()
    first.step()
    make_visible(inbox, first)
    second = inbox.reader()
    done = second.step()
    assert (done.received, done.submitted, done.held) == (1, 0, 1)
    (job,) = inbox.jobs()
    inbox.end(job, "completed")
    assert second.step().completed == 1
    assert first.step().completed == 1  # deleting twice harms nobody
    assert inbox.counts() == (0, 0)


def test_a_message_that_comes_after_its_job_is_done_is_deleted(inbox: Inbox) -> None:
    """The reader was killed between the job's end and the deletion."""
    inbox.send(BODY)
    first = inbox.reader()
    first.step()
    (job,) = inbox.jobs()
    inbox.end(job, "completed")
    make_visible(inbox, first)
    done = inbox.reader().step()
    assert (done.received, done.submitted, done.completed) == (1, 0, 1)
    assert inbox.counts() == (0, 0)


def test_visibility_is_extended_while_the_job_works(inbox: Inbox) -> None:
    """With two seconds of hiding, a message stays hidden for as long as we say so."""
    inbox.send(BODY)
    reader = inbox.reader()
    reader.step()
    (held,) = reader._held.values()
    reader._messages.hold(held.message, 2)  # as if nearly all of the time had gone by
    inbox.now_s += inbox.settings.sqs_visibility_s - 2
    reader.step()
    time.sleep(2.2)
    assert inbox.counts() == (0, 1)
    assert inbox.reader().step().received == 0


def test_a_failed_job_is_tried_again_and_then_parked(inbox: Inbox, tmp_path: Path) -> None:
    """Three failures: each is a job of its own; then the body lies in a file with the reason."""
    message_id = inbox.send(BODY)
    for number in (1, 2, 3):
        reader = inbox.reader()
        assert reader.step().submitted == 1
        inbox.end(inbox.jobs()[-1], "failed", "The picture is damaged.")
        held = next(iter(reader._held.values()))
        done = reader.step()
        assert (done.failed, done.parked) == (1, number == 3)
        if number < 3:
            assert inbox.counts() == (0, 1)  # given back for later, not at once
            reader._messages.hold(held.message, 0)
    assert inbox.counts() == (0, 0)
    assert len(inbox.jobs()) == 3
    (one,) = parked(inbox.settings)
    assert one.message_id == message_id
    assert one.reason == "Its job failed 3 times, the last time with: The picture is damaged."
    assert json.loads(one.path.read_text())["body"] == BODY
    assert one.path.parent == tmp_path / "intake" / "parked"


def test_a_killed_reader_does_not_forget_the_tries(inbox: Inbox) -> None:
    """What failed before counts, whoever reads the message next."""
    inbox.settings = replace(inbox.settings, sqs_tries=1)
    inbox.send(BODY)
    first = inbox.reader()
    first.step()
    inbox.end(inbox.jobs()[0], "failed", "Broken.")
    make_visible(inbox, first)
    done = inbox.reader().step()
    assert (done.submitted, done.parked) == (0, 1)
    assert len(inbox.jobs()) == 1


def test_a_job_that_somebody_retried_is_waited_for(inbox: Inbox) -> None:
    """A retry on the jobs page counts as the message's own."""
    from engine.people.actors import SYSTEM

    inbox.send(BODY)
    reader = inbox.reader()
    reader.step()
    (job,) = inbox.jobs()
    inbox.end(job, "failed", "Broken.")
    again = inbox.queue.retry(job.id, SYSTEM)
    assert reader.step().held == 1
    inbox.end(again, "completed")
    assert reader.step().completed == 1
    assert inbox.counts() == (0, 0)


def test_a_cancelled_job_is_not_started_again(inbox: Inbox) -> None:
    """Somebody decided; the message is parked."""
    inbox.send(BODY)
    reader = inbox.reader()
    reader.step()
    inbox.end(inbox.jobs()[0], "cancelled")
    assert reader.step().parked == 1
    assert "was cancelled" in parked(inbox.settings)[0].reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("no json", "Expected a message to be a JSON object"),
        ('{"task": "fly", "object": "s3://bucket/a"}', "There is no task 'fly'"),
        ('{"task": "restore", "object": "s3://bucket/a"}', "takes the role ADMIN"),
    ],
)
def test_what_can_never_work_is_parked_at_once(inbox: Inbox, body: str, reason: str) -> None:
    """A form that we do not know, an unknown task, and one that strangers may not start."""
    inbox.send(body)
    inbox.send(BODY)
    done = inbox.reader().step()
    assert (done.received, done.parked, done.submitted) == (2, 1, 1)
    assert reason in parked(inbox.settings)[0].reason
    assert inbox.counts() == (0, 1)


def test_parked_messages_may_go_to_a_queue(inbox: Inbox) -> None:
    """With LIGHTBOX_SQS_PARKING_URL set, body and reason are sent there."""
    url = inbox.sqs.create_queue(QueueName="parking")["QueueUrl"]
    inbox.settings = replace(inbox.settings, sqs_parking_url=url)
    inbox.send("no json")
    assert inbox.reader().step().parked == 1
    (found,) = inbox.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert found["Body"] == "no json"
    assert "JSON object" in found["MessageAttributes"]["Reason"]["StringValue"]
    assert parked(inbox.settings) == ()


def test_a_message_is_not_deleted_when_it_cannot_be_parked(inbox: Inbox, tmp_path: Path) -> None:
    """A file in the way of the folder: the message stays in the queue."""
    (tmp_path / "intake").write_text("in the way")
    inbox.send("no json")
    with pytest.raises(StoreError, match="folder for parked messages"):
        inbox.reader().step()
    assert inbox.counts() == (0, 1)


def test_a_notice_of_two_objects_is_done_when_both_are(inbox: Inbox) -> None:
    """One message, two jobs with keys of their own."""
    rows = [{"s3": {"bucket": {"name": "bucket"}, "object": {"key": key}}} for key in "ab"]
    inbox.send(json.dumps({"Records": rows}))
    reader = inbox.reader()
    assert reader.step().submitted == 2
    first, second = inbox.jobs()
    assert first.idempotency_key != second.idempotency_key
    inbox.end(first, "completed")
    assert reader.step().completed == 0
    inbox.end(second, "completed")
    assert reader.step().completed == 1


def test_the_test_notice_is_deleted(inbox: Inbox) -> None:
    """It orders nothing, so it is done."""
    inbox.send('{"Event": "s3:TestEvent"}')
    assert inbox.reader().step().completed == 1
    assert inbox.counts() == (0, 0)


def test_many_messages_become_as_many_jobs(inbox: Inbox) -> None:
    """Thirty messages in a few rounds of two readers; each has one job."""
    for number in range(30):
        inbox.send(json.dumps({"object": f"s3://bucket/{number}"}))
    readers = [inbox.reader(), inbox.reader()]
    for _ in range(4):
        for reader in readers:
            reader.step()
    assert sorted(job.payload["object"] for job in inbox.jobs()) == sorted(
        f"s3://bucket/{number}" for number in range(30)
    )


def test_a_missing_queue_is_told(inbox: Inbox) -> None:
    """A mistyped address and one that does not answer: sentences, no trace."""
    url = inbox.settings.sqs_queue_url
    inbox.settings = replace(inbox.settings, sqs_queue_url=url + "x")
    with pytest.raises(NotFoundError, match="Expected the queue of LIGHTBOX_SQS_QUEUE_URL"):
        inbox.reader().step()
    inbox.settings = replace(
        inbox.settings, sqs_queue_url="http://127.0.0.1:9/q", aws_endpoint_url="http://127.0.0.1:9"
    )
    with pytest.raises(RemoteError, match="check LIGHTBOX_AWS_ENDPOINT_URL"):
        inbox.reader().step()
    inbox.settings = replace(inbox.settings, sqs_queue_url="")
    with pytest.raises(SettingsError, match="LIGHTBOX_SQS_QUEUE_URL is not set"):
        inbox.reader()


def test_the_loop_notes_what_it_did_and_what_went_wrong(inbox: Inbox) -> None:
    """The page's figures come from a file that the reader writes."""
    inbox.send(BODY)
    stop = threading.Event()
    ledger = Ledger(inbox.settings)
    thread = threading.Thread(target=inbox.reader().run, args=(stop, ledger))
    thread.start()
    end = time.monotonic() + 10
    while intake_status(inbox.settings).get("submitted") != 1 and time.monotonic() < end:
        time.sleep(0.05)
    stop.set()
    thread.join(15)
    status = intake_status(inbox.settings)
    assert (status["configured"], status["submitted"], status["held"]) == (True, 1, 1)
    assert status["error"] == ""
    ledger.note_error(RemoteError("It does not answer."))
    assert intake_status(inbox.settings)["error"] == "It does not answer."


def test_without_a_queue_nothing_is_started(tmp_path: Path) -> None:
    """A worker of a home without SQS has no thread for it."""
    from engine.settings import Settings

    settings = Settings(home=tmp_path)
    assert start_intake(settings) is None
    assert intake_status(settings) == {
        "configured": False,
        "at": None,
        "error": "",
        "parked_files": [],
    }
