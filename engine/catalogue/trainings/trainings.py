"""Trainings as people ask for them; the work itself is the job ``train_model``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from engine.catalogue.trainings import places
from engine.catalogue.trainings.datasets import training_set_of
from engine.catalogue.trainings.progress import Progress, progress_of
from engine.catalogue.trainings.schedules import when_of
from engine.errors import NotFoundError, RequestError
from engine.jobs.training_schedules import count_masks
from engine.people.permissions import allowed, require
from engine.store.records import Job, TrainingSchedule

if TYPE_CHECKING:
    from engine.jobs.queue import Queue
    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.settings import Settings
    from engine.store import Store
    from engine.store.files import Files
    from engine.training.fingerprint import Fingerprint
    from engine.training.planning import Plan

__all__ = ["Suggestion", "Trainings"]

_TASK: Final = "train_model"
_ACTIVE: Final = ("pending", "processing", "stuck")
_LOOKED_AT: Final = 16


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """How a training would go if it were started now. ``pictures`` have a mask that counts."""

    pictures: int
    fingerprint: Fingerprint
    plan: Plan


@final
class Trainings:
    """All trainings of one home; each method requires its action of whoever asks."""

    def __init__(
        self, settings: Settings, store: Store, files: Files, audit: AuditLog, queue: Queue
    ) -> None:
        self._settings, self._store, self._files = settings, store, files
        self._audit, self._queue = audit, queue

    def suggest(
        self, actor: Actor, dataset_id: str, wishes: Mapping[str, Any] | None = None
    ) -> Suggestion:
        """Look at some pictures of a dataset and say how a training would go.

        Raises
        ------
        RequestError, DatasetError
            When the dataset cannot be learnt from, or a wish cannot be met.
        MemoryShortError
            When it would not fit in memory.
        """
        from engine.training.fingerprint import sampled_fingerprint
        from engine.training.machine import this_machine
        from engine.training.planning import Wishes, plan

        require(actor, "models.train")
        asked = Wishes.from_json(dict(wishes or {}))
        dataset = self._store.datasets.read()[dataset_id]
        training_set = training_set_of(self._store, self._files, dataset)
        with tempfile.TemporaryDirectory(prefix="lightbox-look-") as place:
            found = sampled_fingerprint(training_set, Path(place), most=_LOOKED_AT)
        machine = this_machine(self._settings.memory_floor_mb)
        return Suggestion(
            pictures=len(training_set.examples),
            fingerprint=found,
            plan=plan(found, training_set.classes, machine, asked),
        )

    def start(
        self,
        actor: Actor,
        dataset_id: str,
        wishes: Mapping[str, Any] | None = None,
        name: str = "",
        version: str = "",
    ) -> Job:
        """Ask for a training; where another one runs, it waits for its turn.

        Raises
        ------
        RequestError
            When the dataset is not ready or has no masks, or a wish cannot be met.
        """
        require(actor, "models.train")
        dataset = self._store.datasets.read()[dataset_id]
        if dataset.status != "ready":
            raise RequestError(
                f"“{dataset.name}” is “{dataset.status}”; wait until its import is done."
            )
        training_set_of(self._store, self._files, dataset)
        payload = {
            "dataset": dataset_id,
            "version": version,
            "wishes": dict(wishes or {}),
            "name": " ".join(name.split()),
        }
        title = f"Train “{payload['name'] or dataset.name}”"[:200]
        job = self._queue.submit(_TASK, payload, actor=actor, title=title)
        self._audit.write(
            actor, "models.train", record=f"datasets/{dataset_id}", text=f"Asked for: {title}"
        )
        return job

    def list(self, actor: Actor) -> tuple[Job, ...]:
        """Return all trainings, the newest first."""
        require(actor, "models.view")
        found = [job for job in self._queue.all() if job.task == _TASK]
        return tuple(sorted(found, key=lambda job: (job.created_at, job.id), reverse=True))

    def running(self, actor: Actor) -> Job | None:
        """Return the training that is at work now, ``None`` where none is."""
        at_work = [job for job in self.list(actor) if job.state == "processing"]
        return next((job for job in at_work if job.stage != "Waiting"), None) or next(
            iter(at_work), None
        )

    def progress(self, actor: Actor, job_id: str) -> Progress:
        """Return everything that a training has told so far.

        Raises
        ------
        NotFoundError
            When there is no such training.
        """
        require(actor, "models.view")
        return progress_of(self._settings, self._job(job_id))

    def ask(self, actor: Actor, job_id: str, wish: places.Wish) -> None:
        """Pause a training, let it go on, or have it stop learning and keep the best.

        Raises
        ------
        NotAllowedError
            When it is somebody else's, and the actor does not control all jobs.
        RequestError
            When it is over, or the wish is unknown.
        """
        job = self._job(job_id)
        self._require_control(actor, job)
        if wish not in ("go", "pause", "finish"):
            raise RequestError(f"A training is asked to go, pause or finish, not {wish!r:.40}.")
        if job.state not in _ACTIVE:
            raise RequestError(f"This training is {job.state}; there is nothing left to steer.")
        places.ask(self._settings, job_id, wish)

    def may_steer(self, actor: Actor, job: Job) -> bool:
        """Whether the actor may pause, stop and cancel a training."""
        return allowed(actor, "models.train") and self._queue.may_control(job, actor)

    def cancel(self, actor: Actor, job_id: str) -> Job:
        """Give a training up; its state stays until somebody retries or forgets the job."""
        return self._queue.cancel(self._job(job_id).id, actor)

    # --- later ---------------------------------------------------------------------------------

    def schedule(
        self,
        actor: Actor,
        dataset_id: str,
        wishes: Mapping[str, Any] | None = None,
        *,
        when: object,
        name: str = "",
    ) -> TrainingSchedule:
        """Have a training start by itself; ``when`` as :func:`.schedules.when_of` takes it.

        Raises
        ------
        RequestError
            When the wishes or the time cannot be used.
        """
        from engine.training.planning import Wishes

        require(actor, "models.train")
        dataset = self._store.datasets.read()[dataset_id]
        made = TrainingSchedule(
            dataset_id=dataset_id,
            name=" ".join(name.split())[:120],
            wishes=Wishes.from_json(dict(wishes or {})).to_json(),
            seen_masks=count_masks(self._store, dataset_id),
            created_by=actor.id,
            **when_of(when),
        )
        with self._store.training_schedules.transaction() as schedules:
            schedules.put(made)
        self._audit.write(
            actor,
            "models.train",
            record=f"datasets/{dataset_id}",
            text=f"Scheduled a training on “{dataset.name}”: {made.kind.replace('_', ' ')}",
        )
        return made

    def schedules(self, actor: Actor) -> tuple[TrainingSchedule, ...]:
        """Return all schedules, the oldest first."""
        require(actor, "models.view")
        return tuple(sorted(self._store.training_schedules.read(), key=lambda one: one.created_at))

    def unschedule(self, actor: Actor, schedule_id: str) -> None:
        """Take a schedule back.

        Raises
        ------
        NotFoundError
            When there is none of that id, as after it has started.
        """
        require(actor, "models.train")
        with self._store.training_schedules.transaction() as schedules:
            found = schedules.get(schedule_id)
            if found is None:
                raise NotFoundError("This schedule is gone: it has started or was taken back.")
            schedules.remove(schedule_id)
        self._audit.write(
            actor,
            "models.train",
            record=f"datasets/{found.dataset_id}",
            text="Took a scheduled training back",
        )

    # --- inside --------------------------------------------------------------------------------

    def _job(self, job_id: str) -> Job:
        found = self._queue.get(job_id)
        if found.task != _TASK:
            raise NotFoundError("This job is no training; choose one from the list of trainings.")
        return found

    def _require_control(self, actor: Actor, job: Job) -> None:
        require(actor, "models.train")
        if not self._queue.may_control(job, actor):
            require(actor, "jobs.control")
