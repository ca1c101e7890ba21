"""What the task ``train_model`` does: a dataset becomes a model, and everybody can watch.

It stops and goes on at any moment: its work folder holds the state, its history what was told.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.catalogue.datasets import Datasets
from engine.catalogue.models import Models
from engine.catalogue.trainings.datasets import remembered_set
from engine.catalogue.trainings.history import History, settle
from engine.catalogue.trainings.places import Wish, kept_folder, wish_of
from engine.jobs.folders import jobs_home
from engine.people.audit import open_audit
from engine.people.permissions import require
from engine.store.records import ModelRecord

if TYPE_CHECKING:
    from engine.jobs.context import JobContext
    from engine.store.records import Dataset
    from engine.training.shipping import Origin

__all__ = ["train_model"]

_STAGES: Final = {
    "prepared": "Preparing pictures",
    "planned": "Learning",
    "step": "Learning",
    "epoch": "Learning",
    "paused": "Paused",
    "resumed": "Learning",
    "evaluating": "Measuring on held-back pictures",
    "finished": "Storing the model",
}
_LEARNING_FROM, _LEARNING_TO = 0.08, 0.9


def train_model(context: JobContext) -> str:
    """Train, store the model, name it as the job's result; return the closing sentence.

    Raises
    ------
    RequestError, DatasetError
        When the dataset cannot be learnt from.
    """
    from engine.training.planning import Wishes
    from engine.training.running import train

    require(context.actor, "models.train")
    dataset = context.store.datasets.read()[str(context.payload["dataset"])]
    manifest = _frozen(context, dataset)
    wishes = Wishes.from_json(dict(context.payload["wishes"]))
    training_set = remembered_set(
        context.store,
        context.files,
        context.store.datasets.read()[dataset.id],  # which has the version by now
        version=manifest,
        folder=context.folder,
    )
    history = History(context.folder)
    last: dict[str, Any] = {}
    with _alone(context):
        for event in train(
            training_set,
            wishes,
            context.folder,
            origin=_origin(context, dataset),
            control=lambda: _wish(context),
            guard=lambda need_mb, what: context.guard_step(need_mb, what=what),
            check=context.check,
        ):
            last = event.to_json()
            history.add(last)
            _tell(context, last)
        made = _stored(context, dataset, manifest)
    settle(context.folder, kept_folder(context.settings, context.job.id))
    context.result("model", made.id, f"{made.name} {made.version}")
    return _sentence(made, last)


def _frozen(context: JobContext, dataset: Dataset) -> str:
    """Return the version of the dataset that is trained on: the named one, or what is there now.

    Kept from an earlier attempt, so that a resumed training does not change its pictures' version.
    """
    note = context.folder / "version.txt"
    if note.is_file():
        return note.read_text(encoding="ascii").strip()
    wanted = str(context.payload.get("version", ""))
    if not wanted:
        from engine.jobs.queue import Queue
        from engine.people.actors import SYSTEM

        audit = open_audit(context.settings)
        queue = Queue(context.store, context.settings, audit=audit)
        datasets = Datasets(context.store, context.files, audit, queue)
        # The system freezes: whoever trains need not be allowed to manage datasets.
        wanted = datasets.freeze(SYSTEM, dataset.id).manifest_sha256
    note.write_text(wanted, encoding="ascii")
    return wanted


def _origin(context: JobContext, dataset: Dataset) -> Origin:
    from engine.training.shipping import Origin

    return Origin(
        name=str(context.payload.get("name") or dataset.name),
        licence="as that of its pictures; not stated here",
        source=f"trained with Lightbox on the dataset “{dataset.name}”",
        split="by group",
    )


def _wish(context: JobContext) -> Wish:
    wish = wish_of(context.settings, context.job.id)
    if wish == "pause":
        context.sleep(0.2)  # says that it lives: a pause may last for days
    return wish


def _tell(context: JobContext, told: dict[str, Any]) -> None:
    """Report how far it is, in one number and a few words."""
    kind = told["kind"]
    stage = _STAGES.get(kind, "")
    if kind == "prepared":
        share = told["done"] / max(1, told["total"])
        context.report(_LEARNING_FROM * share, stage, f"{told['done']} of {told['total']} pictures")
    elif kind == "step":
        done = told["elapsed_s"] / max(1e-6, told["elapsed_s"] + told["eta_s"])
        context.report(
            _LEARNING_FROM + (_LEARNING_TO - _LEARNING_FROM) * done,
            stage,
            f"epoch {told['epoch']}, step {told['step']} of {told['steps']}, "
            f"loss {told['loss']:.3f}",
        )
    elif kind == "epoch":
        dice = told["mean_dice"]
        context.log(
            f"Epoch {told['epoch']} of {told['epochs']}: loss {told['train_loss']:.3f}, "
            f"mean Dice {'unknown' if dice is None else format(dice, '.3f')}"
            f"{', the best so far' if told['best'] else ''}."
        )
    elif kind == "evaluating":
        share = told["done"] / max(1, told["total"])
        context.report(
            _LEARNING_TO + (1 - _LEARNING_TO) * share,
            stage,
            f"{told['done']} of {told['total']} pictures",
        )
    elif kind == "stopped":
        context.log(told["reason"])
    elif kind == "planned":
        context.report(_LEARNING_FROM, stage, told["division"])
        for reason in told["plan"]["reasons"]:
            context.log(f"{reason['about']}: {reason['chosen']}. {reason['because']}")
    elif kind in ("paused", "resumed"):
        context.report(None, stage, "Somebody asked for a pause." if kind == "paused" else "")


def _stored(context: JobContext, dataset: Dataset, manifest: str) -> ModelRecord:
    models = Models(context.store, context.files, open_audit(context.settings), context.settings)
    # An attempt that was killed after this point made the record already.
    for one in context.store.models.read().where(job_id=context.job.id):
        return one
    plan = json.loads((context.folder / "plan.json").read_bytes())
    about = ModelRecord(
        name=dataset.name,
        dataset_id=dataset.id,
        dataset_manifest_sha256=manifest,
        job_id=context.job.id,
        hyperparameters=plan,
    )
    return models.keep(
        context.folder / "model",
        actor_id=context.job.created_by,
        name=str(context.payload.get("name") or dataset.name),
        like=about,
    )


def _sentence(made: ModelRecord, finished: dict[str, Any]) -> str:
    mean = finished.get("metrics", {}).get("mean_dice", {})
    part = {"test": "held-back", "validation": "validation"}.get(
        str(finished.get("metrics", {}).get("part")), ""
    )
    if mean.get("value") is None or not part:
        return f"“{made.name}” version {made.version} is ready; no picture was left to measure it."
    return (
        f"“{made.name}” version {made.version} is ready: mean Dice {mean['value']:.3f} on "
        f"{mean['pictures']} {part} pictures."
    )


@contextmanager
def _alone(context: JobContext) -> Iterator[None]:
    """Wait until no other training runs on this machine: two would only slow each other down."""
    path = jobs_home(context.settings) / "training.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                context.report(None, "Waiting", f"{_holder(path)} One training runs at a time.")
                context.sleep(1.0)
        with suppress(OSError):
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, context.job.title.encode()[:200], 0)
        yield
    finally:
        os.close(descriptor)


def _holder(path: Path) -> str:
    with suppress(OSError, ValueError):
        title = path.read_text(encoding="utf-8").strip()
        if title:
            return f"“{title}” is at work."
    return "Another training is at work."
