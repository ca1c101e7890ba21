"""The whole way with real processes: object, message, worker, model, annotations, empty queue."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from engine.jobs.intake import parked
from engine.store.files import open_files
from engine.store.records import Sample
from tests.cloud_server import CloudServer
from tests.engine.jobs.external.model_server import CELL, model_server, reply
from tests.engine.jobs.intake.conftest import Inbox

ROOT = Path(__file__).parents[4]


def picture() -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(np.full((20, 40, 3), 90, np.uint8)).save(out, "PNG")
    return out.getvalue()


def wait_for(what: Callable[[], bool], *, seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def worker(inbox: Inbox) -> subprocess.Popen[bytes]:
    with (inbox.settings.home / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "worker"],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            env={**os.environ, **inbox.settings.as_mapping()},
        )


def test_from_an_object_and_a_message_to_annotations(inbox: Inbox, cloud: CloudServer) -> None:
    """A worker killed in the middle loses nothing: the next one ends what it began.

    Files lie in a bucket; the object is in another one that messages may name.
    """
    from_outside = cloud.make_bucket("from-outside")
    cloud.client("s3").put_object(Bucket=from_outside, Key="in/a b.png", Body=picture())
    inbox.settings = replace(
        inbox.settings,
        files_url=f"s3://{cloud.make_bucket('story-files')}",
        sqs_task="external_model",
        sqs_buckets=(from_outside,),
        sqs_visibility_s=5,
        job_grace_s=1,
        memory_floor_mb=50,
    )
    with inbox.store.samples.transaction() as samples:
        sample = samples.put(Sample(patient_id="p1", s3_key="in/a b.png"))
    notice = {"s3": {"bucket": {"name": from_outside}, "object": {"key": "in/a+b.png"}}}
    with model_server(lambda _handler: time.sleep(30), reply(200, [CELL])) as server:
        inbox.settings = replace(inbox.settings, model_api_url=server.url)
        inbox.send(json.dumps({"Records": [notice]}))
        inbox.send("poison")
        first = worker(inbox)
        try:
            wait_for(lambda: len(server.asked) == 1)
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()
        assert len(inbox.store.cell_annotations.read()) == 0
        second = worker(inbox)
        try:
            wait_for(lambda: inbox.counts() == (0, 0))
        finally:
            second.send_signal(signal.SIGTERM)
            second.wait(20)
    (cell,) = inbox.store.cell_annotations.read()
    assert (cell.cell_type, cell.sample_id) == ("RBC", sample.id)
    done = inbox.store.samples.read()[sample.id]
    (image,) = inbox.store.images.read()
    assert (done.inference_status, done.image_ids) == ("completed", (image.id,))
    assert open_files(inbox.settings).read(image.sha256) == picture()
    assert {job.state for job in inbox.jobs()} == {"completed"}
    assert len(parked(inbox.settings)) == 1
    log = (inbox.settings.home / "worker.log").read_text()
    assert "poison" not in log
