"""The board of parts: answers are kept for a while, failures are sentences."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from engine.errors import DiskShortError
from engine.monitoring.health import Answer, HealthBoard, PartHealth, Ping, worst

GOOD = Answer(state="ok", text="Works.")


def board(ask, clock=time.time, every_s: float = 10.0) -> HealthBoard:
    return HealthBoard([Ping(name="it", title="It", every_s=every_s, ask=ask)], clock)


def test_an_answer_holds_for_its_time() -> None:
    """Asked at 0, 5 and 11 s with an answer that holds for 10 s: two questions."""
    asked, clock = [], [0.0]

    def ask() -> Answer:
        asked.append(clock[0])
        return GOOD

    parts = board(ask, lambda: clock[0])
    for moment in (0.0, 5.0, 11.0):
        clock[0] = moment
        parts.refresh()
    assert asked == [0.0, 11.0]
    assert parts.healths()[0].checked_at == 11.0


def test_an_error_of_ours_is_the_answer() -> None:
    """The part has failed, and its sentence is that of the error."""

    def ask() -> Answer:
        raise DiskShortError("Only 3 MB are free; make room.")

    (part,) = board(ask).healths()
    assert (part.state, part.ok, part.text) == ("failed", False, "Only 3 MB are free; make room.")


def test_a_bug_is_logged_once_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """The visitor gets no message of a library; the log gets one trace, not one every time."""

    def ask() -> Answer:
        raise RuntimeError("secret /path")

    parts = board(ask, every_s=0.0)
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            parts.refresh()
    (part,) = parts.healths()
    assert part.state == "failed"
    assert "RuntimeError" in part.text
    assert "secret" not in part.text
    assert len(caplog.records) == 1


def test_a_slow_part_is_asked_by_one_thread_at_a_time() -> None:
    """While one thread waits for the part, another one gets the last answer at once."""
    gate, running, most = threading.Event(), [0], [0]

    def ask() -> Answer:
        running[0] += 1
        most[0] = max(most[0], running[0])
        if gate.is_set():
            time.sleep(0.3)
        running[0] -= 1
        return GOOD

    parts = board(ask, every_s=0.0)
    parts.refresh()
    gate.set()
    threads = [threading.Thread(target=parts.refresh) for _ in range(4)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    assert parts.healths()[0].ok
    assert time.monotonic() - began < 0.2
    for thread in threads:
        thread.join()
    assert most == [1]


def test_the_whole_is_as_bad_as_its_worst_part() -> None:
    """Attention is worse than ok, failed is worse than both, nothing is ok."""

    def part(state) -> PartHealth:
        return PartHealth(name="it", title="It", state=state, text="", checked_at=0.0)

    assert worst([]) == "ok"
    assert worst([part("ok"), part("attention")]) == "attention"
    assert worst([part("failed"), part("ok"), part("attention")]) == "failed"
