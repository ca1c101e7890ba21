"""Jobs over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.house import House, build_house


@pytest.fixture
def busy(tmp_path: Path) -> House:
    """A house in which jobs are started; no worker takes them."""
    return build_house(tmp_path)


def start(house: House, role: str = "UPLOADER", **fields: object) -> dict[str, object]:
    sent = {"task": "sample_data", **fields}
    told = house.client().post("/api/v1/jobs", json=sent, headers=house.token(role))
    assert told.status_code == 201, told.text
    return told.json()


def test_a_job_is_started_listed_and_found(busy: House) -> None:
    """The answer has the job and where it is; the list has it first; the log is there."""
    job = start(busy, title="First", priority=3)
    assert (job["state"], job["title"], job["priority"]) == ("pending", "First", 3)
    second = start(busy, title="Second")
    client, token = busy.client(), busy.token("REVIEWER")
    listed = client.get("/api/v1/jobs", headers=token).json()
    assert [one["id"] for one in listed["jobs"]] == [second["id"], job["id"]]
    assert (listed["count"], listed["page"], listed["pages"]) == (2, 1, 1)
    found = client.get(f"/api/v1/jobs/{job['id']}", headers=token).json()
    assert (found["created_by"], found["log"]) == (busy.people["UPLOADER"].id, [])


def test_the_same_key_again_is_the_same_job(busy: House) -> None:
    """A client that lost the answer may ask again."""
    first, again = (start(busy, idempotency_key="k1") for _ in range(2))
    assert first["id"] == again["id"]


def test_a_list_is_filtered_and_paged(busy: House) -> None:
    """State, task, page and size; a page beyond the end is empty."""
    for number in range(3):
        start(busy, title=str(number))
    client, token = busy.client(), busy.token("ADMIN")

    def titles(**asked: object) -> list[str]:
        told = client.get("/api/v1/jobs", params=asked, headers=token).json()
        return [job["title"] for job in told["jobs"]]

    assert titles(size=2) == ["2", "1"]
    assert titles(size=2, page=2) == ["0"]
    assert titles(page=9) == []
    assert titles(state="failed") == []
    assert titles(task="backup") == []
    assert titles(state="pending", task="sample_data") == ["2", "1", "0"]


@pytest.mark.parametrize(
    "asked", ["state=lost", "page=0", "page=x", "size=201", "size=-1", "page=1e3", "page=٣"]
)
def test_a_question_that_cannot_be_used_is_refused(house: House, asked: str) -> None:
    """422 names the parameter."""
    answer = house.client().get(f"/api/v1/jobs?{asked}", headers=house.token("ADMIN"))
    assert answer.status_code == 422
    assert f"'{asked.partition('=')[0]}'" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 422),
        ({"task": 7}, 422),
        ({"task": "no_such"}, 404),
        ({"task": "sample_data", "payload": []}, 422),
        ({"task": "sample_data", "payload": {"no_such": 1}}, 422),
        ({"task": "sample_data", "priority": 1.5}, 422),
        ({"task": "sample_data", "priority": 1000}, 422),
        ({"task": "sample_data", "after": "x"}, 422),
        ({"task": "sample_data", "after": ["no-such-job"]}, 404),
        ({"task": "sample_data", "idempotency_key": 7}, 422),
        ({"task": "sample_data", "extra": 1}, 422),
    ],
)
def test_a_job_that_cannot_be_started_is_refused(
    house: House, fields: dict[str, object], status: int
) -> None:
    """Each wrong field with a sentence; nothing is started."""
    answer = house.client().post("/api/v1/jobs", json=fields, headers=house.token("ADMIN"))
    assert answer.status_code == status, answer.text
    assert len(house.workbench.store.jobs.read()) == 0


def test_a_task_asks_for_its_own_action(busy: House) -> None:
    """To start jobs is everybody's, to make a backup the administrator's."""
    for role, status in (("REVIEWER", 403), ("ADMIN", 201)):
        sent = {"task": "backup", "payload": {"reason": "by hand"}}
        answer = busy.client().post("/api/v1/jobs", json=sent, headers=busy.token(role))
        assert answer.status_code == status, answer.text


def test_cancelling_and_retrying_are_for_the_owner_and_the_administrator(busy: House) -> None:
    """Somebody else's job is out of reach; a job that ended cannot be cancelled again."""
    job = start(busy)
    address = f"/api/v1/jobs/{job['id']}"
    client = busy.client()
    assert client.post(f"{address}/cancel", headers=busy.token("REVIEWER")).status_code == 403
    cancelled = client.post(f"{address}/cancel", headers=busy.token("UPLOADER"))
    assert cancelled.json()["state"] == "cancelled"
    assert client.post(f"{address}/cancel", headers=busy.token("ADMIN")).status_code == 422
    assert client.post(f"{address}/retry", headers=busy.token("REVIEWER")).status_code == 403
    again = client.post(f"{address}/retry", headers=busy.token("ADMIN"))
    assert (again.status_code, again.json()["retry_of"]) == (201, job["id"])


@pytest.mark.parametrize("name", ["no-such", "..", "%2e%2e%2fusers", "x" * 300])
def test_a_job_that_is_not_there_is_404(house: House, name: str) -> None:
    """Whatever the name, it opens no other file."""
    answer = house.client().get(f"/api/v1/jobs/{name}", headers=house.token("ADMIN"))
    assert answer.status_code == 404
