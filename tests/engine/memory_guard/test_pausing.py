"""A long step pauses while memory is short, goes on when there is some, and stops in the end."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from engine.errors import JobCancelledError, MemoryShortError
from engine.memory_guard import MemoryGuard, MemoryState, PausingGuard, give_memory_back


def state_of(available_mb: float) -> MemoryState:
    return MemoryState(
        total_mb=4000, available_mb=available_mb, limit_mb=None, swap_free_mb=0, source="system"
    )


def guard_that_reads(*available_mb: float) -> MemoryGuard:
    """Return a guard that reads one figure after another, and the last one for ever."""
    left = list(available_mb)

    def read() -> MemoryState:
        return state_of(left.pop(0) if len(left) > 1 else left[0])

    return MemoryGuard(floor_mb=500, read=read)


def no_wait(_: float) -> None:
    """Sleep not at all."""


def test_enough_memory_costs_nothing() -> None:
    """Nothing is told and nobody waits when the step fits."""
    told: list[str] = []

    def asleep(_: float) -> None:
        pytest.fail("it waited")

    guard = guard_that_reads(900)
    step = PausingGuard(guard, patience_s=60, tell=told.append, sleep=asleep)
    assert step.step(400, what="an epoch").available_mb == 900
    assert told == []


def test_a_pause_is_told_with_its_figures_and_ends() -> None:
    """300 free, 300 free, then 900: one pause in words, and an empty sentence when it ends."""
    told: list[str] = []
    guard = guard_that_reads(300, 300, 300, 900)
    PausingGuard(guard, patience_s=60, tell=told.append, sleep=no_wait).step(100, what="an epoch")
    assert told[0] == (
        "Paused for memory: 300 MB are free, an epoch goes on when there are 600 MB."
    )
    assert told[-1] == ""


def test_patience_ends_with_the_reason() -> None:
    """Memory that stays short stops the step; the sentence has every figure and what to do."""
    began = time.monotonic()
    step = PausingGuard(guard_that_reads(300), patience_s=0.3)
    with pytest.raises(
        MemoryShortError,
        match=r"Stopped an epoch because memory ran short: 300 MB of 4000 MB are free \(system\), "
        r"but 600 MB are needed, and 0 s of waiting did not help\. What was done so far is saved",
    ):
        step.step(100, what="an epoch")
    assert 0.25 < time.monotonic() - began < 3


def test_whoever_waits_can_be_told_to_stop() -> None:
    """A cancelled job ends its pause with its own error."""

    def cancelled(_: float) -> None:
        raise JobCancelledError("This job was told to stop.")

    step = PausingGuard(guard_that_reads(300), patience_s=60, sleep=cancelled)
    with pytest.raises(JobCancelledError, match="told to stop"):
        step.step(what="an epoch")


def test_what_is_held_for_nothing_is_given_back_first() -> None:
    """Handing memory back is harmless, whatever the system offers for it."""
    hand_back: Callable[[], None] = give_memory_back
    assert hand_back() is None
