"""A bounded house with fewer work places."""

from __future__ import annotations

import threading

import pytest

from engine.errors import BusyError
from ui_gradio.admission import Admission


def test_the_next_visitor_of_a_full_house_is_refused() -> None:
    """Two places, two visitors: the third is told to come back, and may when one has left."""
    admission = Admission(capacity=2, work_places=1, retry_after_s=3)
    with admission.visit():
        with admission.visit():
            assert admission.inside == 2
            with pytest.raises(BusyError, match="takes 2 requests at a time") as refusal:
                admission.visit().__enter__()
            assert refusal.value.retry_after_s == 3
        with admission.visit():
            assert admission.inside == 2
    assert admission.inside == 0


def test_other_doors_count_as_well() -> None:
    """Those who wait in a queue of their own fill the same house."""
    admission = Admission(capacity=3, work_places=1)
    admission.count_also(lambda: 3)
    with pytest.raises(BusyError, match="3 are waiting"):
        admission.require_room()


def test_a_visitor_who_fails_leaves_all_the_same() -> None:
    """An error inside frees the place."""
    admission = Admission(capacity=1, work_places=1)
    with pytest.raises(ValueError, match="stumbled"), admission.visit():
        raise ValueError("stumbled")
    assert admission.inside == 0


def test_no_more_work_than_places() -> None:
    """With two work places, four workers never work three at a time."""
    admission = Admission(capacity=9, work_places=2)
    now, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal now, most
        with admission.work():
            with lock:
                now += 1
                most = max(most, now)
            threading.Event().wait(0.02)
            with lock:
                now -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2
