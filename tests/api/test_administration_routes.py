"""What an administrator of the older cell-annotation service does over HTTP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.people.actors import SYSTEM
from engine.store.records import Sample
from tests.api.house import House, build_house


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_the_state_of_processing_is_told(house: House, prefix: str) -> None:
    """Jobs and samples by state, whether a worker lives; at both addresses."""
    address = f"{prefix}/admin/modelprocessing/status-api"
    told = house.client().get(address, headers=house.token("ADMIN")).json()
    assert (told["status"], told["worker_running"]) == ("idle", False)
    assert told["jobs"]["pending"] == 0
    assert told["samples"] == {"pending": 0, "processing": 0, "completed": 0, "failed": 0}


def test_stuck_samples_wait_again(tmp_path: Path) -> None:
    """A sample whose job is gone is reset; one at work, and one that is done, are not."""
    house = build_house(tmp_path)
    job = house.workbench.queue.submit("sample_data", {}, actor=SYSTEM)
    alone = Sample(patient_id="p", inference_status="processing", job_id="gone")
    at_work = replace(alone, id="at-work", job_id=job.id)
    done = replace(alone, id="done", inference_status="completed")
    with house.workbench.store.samples.transaction() as samples:
        for sample in (alone, at_work, done):
            samples.put(sample)
    headers = house.token("ADMIN")
    told = house.client().post("/api/v1/admin/cleanup-stuck-samples", headers=headers).json()
    assert (told["samples_reset"], told["jobs_reset"]) == (1, 0)
    now = house.workbench.store.samples.read()
    assert now[alone.id].inference_status == "pending"
    assert now["at-work"].inference_status == "processing"
    assert now["done"].inference_status == "completed"


@pytest.mark.parametrize("role", ["UPLOADER", "ANNOTATOR", "REVIEWER"])
def test_only_an_administrator_cleans_up(house: House, role: str) -> None:
    """Everybody else is told who may."""
    answer = house.client().post("/admin/cleanup-stuck-samples", headers=house.token(role))
    assert answer.status_code == 403


def test_the_outside_queue_is_looked_into_on_demand(house: House) -> None:
    """Without one, the caller is told which setting names it."""
    answer = house.client().post("/admin/modelprocessing/process-sqs", headers=house.token("ADMIN"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "missing_backend")
    assert "LIGHTBOX_SQS_QUEUE_URL" in answer.json()["error"]["message"]
