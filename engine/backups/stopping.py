"""Running jobs before a restore: asked to stop, and waited for.

A job that went on writing would write into records that it has never seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

from engine.errors import BusyError
from engine.store import Store

__all__ = ["Running", "recorded_as_running", "stop_jobs"]

Running = Callable[[Store], Collection[str]]
"""Tells the ids of the jobs that run now."""

_PATIENCE_S = 45.0
_PAUSE_S = 0.1


def recorded_as_running(store: Store) -> Collection[str]:
    """Return the jobs that the records call running; who knows the workers knows better."""
    return [job.id for job in store.jobs.read().where(state="processing")]


def stop_jobs(
    store: Store,
    *,
    running: Running = recorded_as_running,
    spare: Collection[str] = (),
) -> None:
    """Ask all running jobs to stop and wait until they have.

    Raises
    ------
    BusyError
        When some have not stopped after 45 s.
    """
    until = time.monotonic() + _PATIENCE_S
    while left := _left(store, running, spare):
        if time.monotonic() > until:
            raise BusyError(
                f"Jobs still run although they were asked to stop: {', '.join(sorted(left)[:3])}"
                f"{' and others' if len(left) > 3 else ''}. Nothing was restored. Cancel them on "
                "the jobs page, then try again.",
                retry_after_s=60,
            )
        _ask(store, left)  # one that was only claimed a moment ago
        time.sleep(_PAUSE_S)


def _left(store: Store, running: Running, spare: Collection[str]) -> set[str]:
    return set(running(store)) - set(spare)


def _ask(store: Store, ids: Collection[str]) -> None:
    snapshot = store.jobs.read()
    if all((job := snapshot.get(name)) is None or job.cancel_requested for name in ids):
        return
    with store.jobs.transaction() as jobs:
        for name in ids:
            job = jobs.get(name)
            if job is not None and job.state == "processing" and not job.cancel_requested:
                text = "A backup is being put back, so this job stops."
                jobs.put(replace(job, cancel_requested=True, message=text))
