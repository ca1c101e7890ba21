"""Which models there are, which one of each task is used, and why it was chosen."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import engine
from engine.catalogue.models.bundles import BundleForm, opened_bundle, write_bundle
from engine.catalogue.models.folders import folder_of, stored
from engine.catalogue.models.shipping_with_us import is_shipped, shipped_folder, shipped_models
from engine.errors import BusyError, NotFoundError, RequestError
from engine.jobs.folders import read_json
from engine.people.permissions import require
from engine.store import now
from engine.store.records import ModelRecord

if TYPE_CHECKING:
    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.settings import Settings
    from engine.store import Store
    from engine.store.files import Files
    from engine.store.records import Job
    from engine.store.transactions import Transaction

__all__ = ["Models"]

_LONGEST_REASON: Final = 500


@final
class Models:
    """All models of one home, and those that come with the program.

    Of each task exactly one model is active, or none; which one changes in one transaction, with a
    reason that the audit log keeps.
    """

    def __init__(self, store: Store, files: Files, audit: AuditLog, settings: Settings) -> None:
        self._store = store
        self._files = files
        self._audit = audit
        self._home = settings.home / "models" / "trained"

    # --- looking -------------------------------------------------------------------------------

    def list(self, actor: Actor, task: str = "", stage: str = "") -> tuple[ModelRecord, ...]:
        """Return the models, the newest first, those of the program last."""
        require(actor, "models.view")
        own = sorted(self._store.models.read(), key=lambda one: one.created_at, reverse=True)
        return tuple(
            one
            for one in (*own, *self._of_the_program())
            if task in ("", one.task) and stage in ("", one.stage)
        )

    def get(self, actor: Actor, model_id: str) -> ModelRecord:
        """Return one model.

        Raises
        ------
        NotFoundError
            When there is none of that id.
        """
        require(actor, "models.view")
        return self._named(model_id)

    def active(self, task: str = "segmentation") -> ModelRecord | None:
        """Return the model of a task that is used, ``None`` when there is none.

        Where nobody promoted one, it is the one that comes with the program.
        """
        for one in self._store.models.read().where(task=task, stage="active"):
            return one
        return next((one for one in self._of_the_program() if one.task == task), None)

    def lineage(self, actor: Actor, model_id: str) -> tuple[ModelRecord, ...]:
        """Return a model and those that it came from, the youngest first."""
        found = [self.get(actor, model_id)]
        while (parent := found[-1].parent_id) and len(found) < 100:
            before = self._store.models.read().get(parent)
            if before is None or before in found:
                break
            found.append(before)
        return tuple(found)

    def folder(self, actor: Actor, model_id: str) -> Path:
        """Return the folder of a model on this disk; whoever opens it checks it by its card.

        Raises
        ------
        NotFoundError
            When there is no such model.
        ModelError, DamagedFileError
            When it has no files, or one is damaged.
        """
        record = self.get(actor, model_id)
        if is_shipped(model_id):
            return shipped_folder(model_id)
        return folder_of(record, self._files, self._home)

    def metrics(self, actor: Actor, model_id: str) -> dict[str, Any]:
        """Return everything that was measured (``metrics.json``), empty where nothing was."""
        return read_json(self.folder(actor, model_id) / "metrics.json")

    def picture(self, actor: Actor, model_id: str, name: str) -> bytes | None:
        """Return a picture of a model's folder, such as ``curves.png``; ``None`` without it."""
        path = self.folder(actor, model_id) / Path(name).name
        is_there = path.suffix == ".png" and path.is_file()
        return path.read_bytes() if is_there else None

    # --- choosing ------------------------------------------------------------------------------

    def promote(self, actor: Actor, model_id: str, *, reason: str) -> ModelRecord:
        """Make a model the active one of its task; the one before becomes a candidate again.

        Raises
        ------
        RequestError
            When it is not complete or is in use already, or no reason is given.
        """
        return self._promoted(actor, model_id, _checked_reason(reason), is_back=False)

    def _promoted(self, actor: Actor, model_id: str, why: str, *, is_back: bool) -> ModelRecord:
        require(actor, "models.manage")
        if is_shipped(model_id):
            return self._use_the_programs(actor, self._named(model_id), why)
        with self._store.models.transaction() as models:
            chosen = _existing(models, model_id)
            if chosen.stage == "active":
                raise RequestError(f"“{chosen.name}” version {chosen.version} is in use already.")
            if chosen.status != "completed":
                raise RequestError(
                    f"“{chosen.name}” cannot be used: its training is {chosen.status}; choose one "
                    "that is completed."
                )
            before = _step_down(models, chosen.task, why, but=chosen.id)
            history = _with_step(chosen, "active", why, actor, before, is_back=is_back)
            made = replace(chosen, stage="active", stage_reason=why, card=history)
            models.put(made)
        self._note(actor, made, f"Promoted “{made.name}” version {made.version}: {why}")
        return made

    def retire(self, actor: Actor, model_id: str, *, reason: str) -> ModelRecord:
        """Take a model out of use; it stays and can come back."""
        require(actor, "models.manage")
        why = _checked_reason(reason)
        self._require_own(model_id)
        with self._store.models.transaction() as models:
            chosen = _existing(models, model_id)
            card = _with_step(chosen, "retired", why, actor)
            made = replace(chosen, stage="retired", stage_reason=why, card=card)
            models.put(made)
        self._note(actor, made, f"Retired “{made.name}” version {made.version}: {why}")
        return made

    def roll_back(self, actor: Actor, task: str, *, reason: str) -> ModelRecord:
        """Make the model active again that was it before the present one; again goes further back.

        Raises
        ------
        RequestError
            When there was none before.
        """
        require(actor, "models.manage")
        why = _checked_reason(reason)
        present = next(iter(self._store.models.read().where(task=task, stage="active")), None)
        before = _before(present) if present else None
        known = self._store.models.read()
        if before is None or (known.get(before) is None and not is_shipped(before)):
            raise RequestError(
                "There is no earlier model to go back to: the present one is the first. Promote "
                "another one from the list."
            )
        return self._promoted(actor, before, f"Rolled back: {why}", is_back=True)

    # --- coming and going ----------------------------------------------------------------------

    def keep(
        self, folder: Path, *, actor_id: str, name: str = "", like: ModelRecord | None = None
    ) -> ModelRecord:
        """Store a finished model folder as the next version of its name.

        The first model of its task in this home becomes active. ``like`` has where it comes from:
        dataset, job, parent and settings; without a parent it is the version before.
        """
        from engine.inference import cards

        card = cards.load(folder)
        files = stored(folder, self._files)
        wanted = " ".join((name or card.name).split())[:120] or card.name
        with self._store.models.transaction() as models:
            same = [one for one in models.values() if one.name == wanted]
            newest = max(same, key=lambda one: one.version, default=None)
            about = like or ModelRecord(name=wanted)
            is_first = not any(
                one.task == card.task and one.stage == "active" for one in models.values()
            )
            made = replace(
                about,
                name=wanted,
                task=card.task,
                version=newest.version + 1 if newest else 1,
                parent_id=about.parent_id or (newest.id if newest else None),
                status="completed",
                stage="active" if is_first else "candidate",
                stage_reason="The first of this home." if is_first else "",
                files=files,
                metrics=card.metrics,
                card=card.to_json(),
                code_version=str(card.details.get("lightbox", engine.__version__)),
                trained_at=now(),
                created_by=actor_id,
            )
            models.put(made)
        return made

    def add(self, actor: Actor, path: Path, *, name: str = "") -> ModelRecord:
        """Bring in a model from a ZIP with its card.

        Raises
        ------
        ModelError
            When it is no complete, safe and truthful model folder.
        TooLargeError
            When it is too large.
        """
        require(actor, "models.manage")
        with opened_bundle(path) as folder:
            about = ModelRecord(name=name, hyperparameters={"imported": True})
            made = self.keep(folder, actor_id=actor.id, name=name, like=about)
        self._note(actor, made, f"Brought in “{made.name}” version {made.version}")
        return made

    @contextmanager
    def bundle(self, actor: Actor, model_id: str, form: BundleForm = "bundle") -> Iterator[Path]:
        """Give the path of a ZIP of a model, which is gone afterwards.

        Raises
        ------
        RequestError
            When the model cannot be had in this form.
        """
        require(actor, "models.view")
        folder = self.folder(actor, model_id)
        with tempfile.TemporaryDirectory(prefix="lightbox-bundle-") as made:
            target = Path(made) / "model.zip"
            write_bundle(folder, target, form)
            yield target

    def rename(self, actor: Actor, model_id: str, *, name: str) -> ModelRecord:
        """Call a model otherwise; it becomes the next version of that name."""
        require(actor, "models.manage")
        self._require_own(model_id)
        wanted = " ".join(name.split())
        if not wanted or len(wanted) > 120:
            raise RequestError(f"A name has 1 to 120 characters, but this one has {len(wanted)}.")
        with self._store.models.transaction() as models:
            chosen = _existing(models, model_id)
            same = [one.version for one in models.values() if one.name == wanted]
            made = replace(chosen, name=wanted, version=max(same, default=0) + 1)
            models.put(made)
        self._note(actor, made, f"Renamed “{chosen.name}” to “{wanted}”")
        return made

    def delete(self, actor: Actor, model_id: str) -> None:
        """Remove a model and what it said about pictures; files go when garbage is collected.

        Raises
        ------
        RequestError
            When it is in use, or comes with the program.
        BusyError
            When a job works with it.
        """
        require(actor, "models.manage")
        self._require_own(model_id)
        with self._store.transaction("models", "jobs", "predictions") as changes:
            models = changes["models"]
            chosen = _existing(models, model_id)
            _require_idle(changes["jobs"].values(), model_id)
            if chosen.stage == "active":
                raise RequestError(
                    f"“{chosen.name}” is in use; promote another model or retire it first."
                )
            for answer in changes["predictions"].where(model_id=model_id):
                changes["predictions"].remove(answer.id)
            models.remove(model_id)
        shutil.rmtree(self._home / model_id, ignore_errors=True)
        self._note(actor, chosen, f"Deleted “{chosen.name}” version {chosen.version}")

    # --- inside --------------------------------------------------------------------------------

    def _of_the_program(self) -> tuple[ModelRecord, ...]:
        """Return the program's models; one is active while nobody promoted another."""
        taken = {one.task for one in self._store.models.read().where(stage="active")}
        return tuple(
            one if one.task in taken else replace(one, stage="active") for one in shipped_models()
        )

    def _named(self, model_id: str) -> ModelRecord:
        found = self._store.models.read().get(model_id)
        if found is None:
            found = next((one for one in self._of_the_program() if one.id == model_id), None)
        if found is None:
            raise NotFoundError(
                f"There is no model {model_id[:80]!r}; it was deleted, or the address is wrong. "
                "Choose one from the list."
            )
        return found

    def _use_the_programs(self, actor: Actor, model: ModelRecord, why: str) -> ModelRecord:
        with self._store.models.transaction() as models:
            _step_down(models, model.task, why, but="")
        self._note(actor, model, f"Back to “{model.name}”, which comes with Lightbox: {why}")
        return replace(model, stage="active", stage_reason=why)

    def _require_own(self, model_id: str) -> None:
        if is_shipped(model_id):
            raise RequestError(
                "This model comes with Lightbox and cannot be changed; promote another one instead."
            )

    def _note(self, actor: Actor, model: ModelRecord, text: str) -> None:
        self._audit.write(actor, "models.manage", record=f"models/{model.id}", text=text)


def _require_idle(jobs: Iterable[Job], model_id: str) -> None:
    for job in jobs:
        named = {job.payload.get("model"), *job.payload.get("models", ())}
        if model_id in named and job.state in ("pending", "processing", "stuck"):
            raise BusyError(
                f"The job “{job.title}” works with this model; cancel it or wait for its end."
            )


def _existing(models: Transaction[ModelRecord], model_id: str) -> ModelRecord:
    found = models.get(model_id)
    if found is None:
        raise NotFoundError(f"There is no model {model_id[:80]!r} any more; reload the list.")
    return found


def _step_down(models: Transaction[ModelRecord], task: str, why: str, *, but: str) -> str | None:
    """Make candidates of the active models of a task; return the id of the one that was."""
    was = None
    for one in [m for m in models.values() if m.task == task and m.stage == "active"]:
        if one.id != but:
            models.put(replace(one, stage="candidate", stage_reason=f"Superseded: {why}"))
            was = one.id
    return was


def _with_step(
    model: ModelRecord,
    stage: str,
    why: str,
    actor: Actor,
    before: str | None = None,
    *,
    is_back: bool = False,
) -> dict[str, Any]:
    """Return the card with one more line in the story of its use."""
    card: dict[str, Any] = dict(model.card)
    story = [dict(line) for line in card.get("story", ())]
    line: dict[str, Any] = {"stage": stage, "reason": why, "by": actor.id}
    line |= {"at": now().isoformat(), "instead_of": before, "back": is_back}
    return {**card, "story": [*story, line]}


def _before(model: ModelRecord) -> str | None:
    """Return which model was active when this one was promoted, not when it was rolled back to."""
    for line in reversed(model.card.get("story", ())):
        if line.get("stage") == "active" and not line.get("back"):
            was = line.get("instead_of")
            return str(was) if was else _program_of(model.task)
    return _program_of(model.task)  # the first of its home


def _program_of(task: str) -> str | None:
    return next((one.id for one in shipped_models() if one.task == task), None)


def _checked_reason(reason: str) -> str:
    why = " ".join(reason.split())
    if not why or len(why) > _LONGEST_REASON:
        raise RequestError(
            f"A reason of 1 to {_LONGEST_REASON} characters is needed, so that others understand "
            f"the change later; this one has {len(why)}."
        )
    return why
