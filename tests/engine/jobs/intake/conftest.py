"""A real queue and bucket of moto's server, and a home whose jobs a test may end as it likes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from engine.jobs.intake import Intake
from engine.jobs.queue import Queue
from engine.jobs.task import Payload, Task
from engine.settings import Settings
from engine.store import Store
from engine.store.records import Job, JobState
from tests.cloud_server import CREDENTIALS, CloudServer, start_cloud_server, stop_cloud_server


def _any_payload(payload: Payload) -> dict[str, Any]:
    return dict(payload)


TASKS = {
    task.name: task
    for task in (
        Task(
            name="look",
            title="Look",
            description="For tests.",
            run="nowhere:look",
            action="samples.add",
            check=_any_payload,
        ),
        Task(
            name="restore",
            title="Restore",
            description="For administrators.",
            run="nowhere:restore",
            action="backups.restore",
            check=_any_payload,
        ),
    )
}


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    """One server process for the whole session."""
    server = start_cloud_server(tmp_path_factory.mktemp("cloud"))
    yield server
    stop_cloud_server(server)


@dataclass
class Inbox:
    """A new queue, a home, and an intake between them with a clock that a test moves."""

    settings: Settings
    store: Store
    queue: Queue
    sqs: Any
    now_s: float = 0.0
    readers: list[Intake] = field(default_factory=list)

    def reader(self) -> Intake:
        """Return a new reader, as a new process would have."""
        return Intake(self.settings, self.store, self.queue, clock=lambda: self.now_s)

    def send(self, body: str) -> str:
        """Put a message into the queue; return its id."""
        answer = self.sqs.send_message(QueueUrl=self.settings.sqs_queue_url, MessageBody=body)
        return str(answer["MessageId"])

    def counts(self) -> tuple[int, int]:
        """Return how many messages wait and how many are held, as the service says."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(
            QueueUrl=self.settings.sqs_queue_url, AttributeNames=names
        )["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def jobs(self) -> tuple[Job, ...]:
        """Return all jobs, the oldest first."""
        return tuple(self.store.jobs.read())

    def end(self, job: Job, state: JobState, error: str = "") -> None:
        """End a job as a worker would."""
        with self.store.jobs.transaction() as jobs:
            jobs.put(replace(jobs[job.id], state=state, error=error))


@pytest.fixture
def inbox(cloud: CloudServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """An empty queue and an empty home."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=f"q{abs(hash(tmp_path)):x}")["QueueUrl"]
    settings = Settings(
        home=tmp_path,
        aws_endpoint_url=cloud.url,
        aws_region="eu-central-1",
        sqs_queue_url=url,
        sqs_task="look",
    )
    store = Store(tmp_path / "records")
    return Inbox(settings, store, Queue(store, settings, tasks=TASKS), sqs)
