"""A whole training as a stream of events: prepare, plan, learn, measure, write the model.

It may end at any moment, by a kill too, and goes on when it is called again with the same folder:
what was prepared is there, and the last checkpoint holds all that the next step depends on.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from engine.segmentation.normalising import Normalisation
from engine.training import events
from engine.training.architectures import architecture_named
from engine.training.checkpoints import load_checkpoint, load_weights
from engine.training.course import Control, Course
from engine.training.disk import write_atomically
from engine.training.dividing import divide
from engine.training.examples import TrainingSet
from engine.training.fingerprint import Fingerprint, fingerprint
from engine.training.learner import Learner
from engine.training.learning import Learning
from engine.training.pacing import Pace
from engine.training.patches import Loader, Sampler
from engine.training.planning import Plan, Wishes, plan
from engine.training.preparing import PreparedSet, prepare, read_prepared
from engine.training.shipping import Origin, ship
from engine.training.validating import Validation, views_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Control", "train"]

_TELL_EVERY_S: Final = 0.5
_PICTURE_MB: Final = 50.0


def train(
    training_set: TrainingSet,
    wishes: Wishes | Plan,
    folder: Path,
    *,
    origin: Origin | None = None,
    control: Control = lambda: "go",
    guard: Callable[[float, str], object] = lambda _need_mb, _what: None,
    check: Callable[[], object] = lambda: None,
) -> Iterator[events.Event]:
    """Train a network; yields events until :class:`events.Finished`.

    Parameters
    ----------
    training_set
        Pictures with masks.
    wishes
        What somebody wants of the plan, or a whole plan.
    folder
        For everything on the way; the model ends up in ``folder / "model"``.
    origin
        What the card says of name, licence and source.
    control
        See :data:`Control`.
    guard
        Called with MB and words before a step that takes memory; it may wait, or raise.
    check
        Called between steps; what it raises ends the training, whose state is saved.

    Raises
    ------
    DatasetError
        When the pictures cannot be learnt from; the message says why.
    MemoryShortError, DiskShortError
        When there is no room; the state is saved.
    ModelError
        When the loss was no number before anything was worth keeping.
    """
    course = Course(folder, control=control, guard=guard, check=check)
    yield from _Run(training_set, wishes, origin, course).told()


@final
class _Run:
    """One training in one folder."""

    def __init__(
        self,
        training_set: TrainingSet,
        wishes: Wishes | Plan,
        origin: Origin | None,
        course: Course,
    ) -> None:
        self._set = training_set
        self._wishes = wishes
        self._course = course
        self._folder = course.folder
        self._origin = origin or Origin(name=training_set.name)
        self._normalisation = Normalisation()

    def told(self) -> Iterator[events.Event]:
        """Do it all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        kept = load_checkpoint(self._folder)
        self._course.add_earlier(float(kept.notes["elapsed_s"]) if kept else 0.0)
        yield from self._prepare()
        prepared = read_prepared(self._set, self._folder / "prepared")
        seed, fold = self._wishes.seed, self._wishes.fold
        division = divide(self._set.examples, seed=seed, fold=fold)
        found = fingerprint(_seen(prepared, division.indices("test")))
        chosen = self._plan(prepared, found)
        parts = _usable(prepared, {
            part: division.indices(part) for part in ("train", "validation", "test")
        })  # fmt: skip
        yield events.Planned(
            plan=chosen,
            fingerprint=found.to_json(),
            division=division.sentence,
            parts={part: len(own) for part, own in parts.items()},
            resumed_at_step=int(kept.notes["step"]) if kept else 0,
        )
        self._course.guard(chosen.memory_mb, "training")
        yield from self._learn(prepared, chosen, parts)
        yield from self._ship(prepared, chosen, parts, found)

    # --- before -------------------------------------------------------------------------------

    def _prepare(self) -> Iterator[events.Event]:
        yield events.Prepared(done=0, total=len(self._set.examples))
        told = 0.0

        def before() -> None:
            self._course.check()
            self._course.guard(_PICTURE_MB, "preparing the next picture")

        for done, total, name in prepare(
            self._set, self._folder / "prepared", self._normalisation, before=before
        ):
            now = time.monotonic()
            if done == total or now - told >= _TELL_EVERY_S:
                told = now
                yield events.Prepared(done=done, total=total, name=name)

    def _plan(self, prepared: PreparedSet, found: Fingerprint) -> Plan:
        """Return the plan of an earlier run in this folder, or make one and keep it."""
        import json

        note = self._folder / "plan.json"
        if note.is_file():
            kept = Plan.from_json(json.loads(note.read_bytes()))
            # How long it may take is the one thing that somebody may change on the way.
            if self._wishes.minutes is None and self._wishes.epochs is None:
                return kept
            return replace(kept, minutes=self._wishes.minutes, epochs=self._wishes.epochs)
        chosen = (
            self._wishes
            if isinstance(self._wishes, Plan)
            else plan(found, prepared.classes, wishes=self._wishes)
        )
        text = json.dumps(chosen.to_json()).encode()
        write_atomically(note, lambda file: file.write(text))
        return chosen

    # --- learning -----------------------------------------------------------------------------

    def _learn(
        self, prepared: PreparedSet, chosen: Plan, parts: Mapping[str, Sequence[int]]
    ) -> Iterator[events.Event]:
        if (self._folder / "learnt.json").is_file():
            self._remember_history()
            return
        learner = Learner(chosen)
        pace = self._resumed(learner, chosen)
        pictures = prepared.pictures
        held_back = [pictures[i] for i in parts["validation"] or parts["train"]]
        multiple = architecture_named(chosen.variant).side_multiple
        validation = Validation(views_of(held_back, side_multiple=multiple), prepared.classes)
        sampler = Sampler(
            [pictures[i] for i in parts["train"]],
            patch_px=chosen.patch_px,
            batch_size=chosen.batch_size,
            strength=chosen.augmentation,
            seed=chosen.seed,
        )
        with Loader(sampler, first=learner.step) as loader:
            yield from Learning(self._course, learner, pace, validation, loader).told()
        write_atomically(self._folder / "learnt.json", lambda file: file.write(b"{}"))

    def _resumed(self, learner: Learner, chosen: Plan) -> Pace:
        kept = load_checkpoint(self._folder)
        if kept is None:
            return Pace(chosen, spent_s=0.0)
        learner.put_back(kept.tensors, int(kept.notes["step"]))
        self._course.history = list(kept.notes["history"])
        self._course.best = float(kept.notes["best"])
        self._course.best_epoch = int(kept.notes["best_epoch"])
        return Pace(
            chosen,
            spent_s=0.0,
            steps=int(kept.notes["steps"]),
            per_epoch=int(kept.notes["per_epoch"]),
        )

    def _remember_history(self) -> None:
        kept = load_checkpoint(self._folder)
        if kept is not None:
            self._course.history = list(kept.notes["history"])

    # --- after --------------------------------------------------------------------------------

    def _ship(
        self,
        prepared: PreparedSet,
        chosen: Plan,
        parts: Mapping[str, Sequence[int]],
        found: Fingerprint,
    ) -> Iterator[events.Event]:
        best: Mapping[str, Tensor] = load_weights(self._folder / "best.safetensors")
        model = self._folder / "model"
        for done, total in ship(
            model,
            weights=best,
            plan=chosen,
            prepared=prepared,
            parts=parts,
            history=self._course.history,
            origin=self._origin,
            fingerprint=found.to_json(),
            normalisation=self._normalisation,
        ):
            self._course.check()
            yield events.Evaluating(done=done, total=total)
        from engine.inference import cards

        metrics = dict(cards.load(model).metrics)
        shutil.rmtree(self._folder / "prepared", ignore_errors=True)
        yield events.Finished(folder="model", metrics=metrics, elapsed_s=self._course.elapsed_s)


def _seen(prepared: PreparedSet, test: Sequence[int]) -> PreparedSet:
    """Return the set without its test pictures, on which no choice may depend."""
    left = tuple(one for i, one in enumerate(prepared.pictures) if i not in set(test))
    return replace(prepared, pictures=left)


def _usable(
    prepared: PreparedSet, parts: Mapping[str, Sequence[int]]
) -> dict[str, tuple[int, ...]]:
    """Leave out pictures without an annotated pixel; the training needs at least one.

    When all annotated pictures fell to other parts, they are learnt from too.
    """
    kept = {
        part: tuple(i for i in own if prepared.pictures[i].annotated) for part, own in parts.items()
    }
    if not kept["train"]:
        kept["train"] = kept["validation"] or kept["test"]
    if not kept["validation"] and len(kept["train"]) == 1:
        kept["validation"] = kept["train"]
    return kept
