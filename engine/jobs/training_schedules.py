"""Starts the trainings that are due: asked by every worker's clock, started once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from engine.errors import LightboxError
from engine.people.actors import SYSTEM
from engine.store import now
from engine.store.records import TrainingSchedule

if TYPE_CHECKING:
    from engine.jobs.queue import Queue
    from engine.store import Store
    from engine.store.records import Job

__all__ = ["count_masks", "due_cause", "submit_due_trainings"]

_TASK: Final = "train_model"
_IMPORT: Final = "import_dataset"


def submit_due_trainings(queue: Queue, store: Store, *, at: datetime | None = None) -> list[Job]:
    """Submit a training for each schedule that has a reason to start; return the jobs.

    However many workers ask, one job comes of one cause: the queue knows the cause by its key, and
    the schedule keeps it.
    """
    if _TASK not in queue.tasks:
        return []
    started = []
    for schedule in store.training_schedules.read():
        cause = due_cause(store, schedule, at=at or now())
        if cause:
            started += _started(queue, store, schedule, cause)
    return started


def due_cause(store: Store, schedule: TrainingSchedule, *, at: datetime) -> str:
    """Return what a schedule has to start for at this moment; empty when for nothing."""
    cause = ""
    if schedule.kind == "at" and schedule.at is not None and schedule.at <= at:
        cause = f"at {schedule.at.isoformat()}"
    elif schedule.kind == "after_new_masks":
        count = count_masks(store, schedule.dataset_id)
        if count - schedule.seen_masks >= max(1, schedule.new_masks):
            # Named by where the count began: it may grow between the looks of two workers.
            cause = f"masks after {schedule.seen_masks}, start {schedule.started + 1}"
    elif schedule.kind == "after_import":
        cause = _newest_import(store, schedule)
    return "" if cause == schedule.last_cause else cause


def count_masks(store: Store, dataset_id: str) -> int:
    """Return how many pictures of a dataset have a mask that is no draft."""
    masks = store.masks.read()
    return sum(
        any(mask.state != "draft" for mask in masks.where(image_id=image.id))
        for image in store.images.read().where(dataset_id=dataset_id)
    )


def _newest_import(store: Store, schedule: TrainingSchedule) -> str:
    jobs = [
        job
        for job in store.jobs.read().where(task=_IMPORT, state="completed")
        if job.finished_at is not None
        and job.finished_at >= schedule.created_at
        and any(one.ref == schedule.dataset_id for one in job.results)
    ]
    if not jobs:
        return ""
    newest = max(jobs, key=lambda job: (job.finished_at, job.id))
    return f"import {newest.id}"


def _started(queue: Queue, store: Store, schedule: TrainingSchedule, cause: str) -> list[Job]:
    """Submit the job and keep the cause; a dataset that is gone ends its schedule."""
    dataset = store.datasets.read().get(schedule.dataset_id)
    if dataset is None:
        with store.training_schedules.transaction() as schedules:
            if schedules.get(schedule.id) is not None:
                schedules.remove(schedule.id)
        return []
    if dataset.status != "ready":
        return []  # an import is still at work: its end will be seen
    payload = {
        "dataset": schedule.dataset_id,
        "name": schedule.name,
        "wishes": dict(schedule.wishes),
    }
    job, problem = None, ""
    try:
        job = queue.submit(
            _TASK,
            payload,
            actor=SYSTEM,
            title=f"Train on “{dataset.name}”, as scheduled"[:200],
            idempotency_key=f"schedule-{schedule.id}-{cause}",
        )
    except LightboxError as error:
        problem = str(error)
    with store.training_schedules.transaction() as schedules:
        present = schedules.get(schedule.id)
        if present is None or present.last_cause == cause:
            return []
        if present.kind == "at" and job is not None:
            schedules.remove(present.id)
        else:
            schedules.put(
                replace(
                    present,
                    last_cause=cause,
                    seen_masks=count_masks(store, present.dataset_id),
                    started=present.started + (job is not None),
                    last_job_id=job.id if job else present.last_job_id,
                    problem=problem,
                )
            )
    return [job] if job else []
