"""How the server is doing, over HTTP."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.house import House


def test_status_names_the_parts_and_the_queue(house: House) -> None:
    """The worst part's state, each part with a sentence, the queue."""
    told = house.client().get("/monitoring/status", headers=house.token("ADMIN")).json()
    assert {"status", "parts", "queue", "models"} <= set(told)
    assert all(part["text"] for part in told["parts"])


def test_resources_tell_memory_with_the_floor(house: House) -> None:
    """CPU, memory, disk and swap with units in their names."""
    told = house.client().get("/monitoring/resources?minutes=5", headers=house.token("ADMIN"))
    assert told.json()["memory"]["floor_mb"] == 500
    assert told.json()["disk"]["total_mb"] > 0


@pytest.mark.parametrize("minutes", ["61", "-1", "x", "1.5", "9" * 30])
def test_minutes_that_cannot_be_used_are_refused(house: House, minutes: str) -> None:
    """422 with a sentence."""
    told = house.client().get(
        f"/monitoring/resources?minutes={minutes}", headers=house.token("ADMIN")
    )
    assert told.status_code == 422


def test_metrics_are_read_by_prometheus_own_parser(house: House) -> None:
    """The text form, with its media type."""
    told = house.client().get("/metrics", headers=house.token("ADMIN"))
    assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert list(text_string_to_metric_families(told.text))


def test_background_processes_say_whether_work_gets_done(house: House) -> None:
    """No worker and nothing to do is healthy."""
    token = house.token("ADMIN")
    told = house.client().get("/api/v1/health/background-processes", headers=token).json()
    assert (told["status"], told["processes"]) == ("healthy", [])
    assert told["queue"]["pending"] == 0
