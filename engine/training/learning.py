"""The loop: step after step, a look after each epoch, and every reason to end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

from engine.errors import ModelError
from engine.training import events
from engine.training.checkpoints import save_checkpoint, save_weights
from engine.training.course import Course
from engine.training.disk import write_atomically
from engine.training.evaluating.drawing import draw_case
from engine.training.learner import Learner, NotFiniteError
from engine.training.pacing import Pace
from engine.training.patches import Batch, Loader
from engine.training.resident import resident_mb
from engine.training.validating import Look, Validation

__all__ = ["Learning"]

_STEP_EVENT_S: Final = 0.5
_SAVE_EVERY_S: Final = 60.0
_PAUSE_LOOK_S: Final = 0.2
_SHOWN: Final = 4
_STEP_MB: Final = 50.0


@final
class Learning:
    """The loop itself."""

    def __init__(
        self, course: Course, learner: Learner, pace: Pace, validation: Validation, loader: Loader
    ) -> None:
        self._course = course
        self._learner = learner
        self._pace = pace
        self._validation = validation
        self._loader = loader
        self._saved_at = time.monotonic()
        self._told_at = 0.0
        self._busy_s = 0.0
        self._waited_s = 0.0
        self._losses: list[float] = []
        self._epoch_at = learner.step
        self._rate = 0.0

    def told(self) -> Iterator[events.Event]:
        """Learn until the pace, somebody, or the figures say that it is enough."""
        reason = ""
        for batch in self._loader:
            wish = self._course.control()
            if wish == "pause":
                yield from self._pause()
                wish = self._course.control()
            self._stop_if_asked()
            if wish == "finish":
                reason = "Somebody asked to stop and keep the best so far."
                break
            if self._pace.is_over(self._learner.step, self._course.elapsed_s):
                break
            try:
                yield from self._step(batch)
            except NotFiniteError as error:
                reason = f"Learning broke down: {error}. A smaller learning rate would help."
                break
            if self._learner.step - self._epoch_at >= self._pace.per_epoch:
                yield from self._epoch()
                reason = self._enough()
                if reason:
                    break
        if self._losses and not reason.startswith("Learning broke"):
            yield from self._epoch()  # what was learnt since the last look counts too
        if not (self._course.folder / "best.safetensors").is_file():
            self._keep_what_there_is(reason)
        yield from self._save()
        if reason:
            yield events.Stopped(step=self._learner.step, reason=reason)

    def _step(self, batch: Batch) -> Iterator[events.Event]:
        pace, learner = self._pace, self._learner
        began = time.monotonic()
        self._rate = pace.rate(learner.step)
        loss = learner.learn(batch, self._rate)
        took = time.monotonic() - began
        self._busy_s += took
        pace.took(took + self._loader.waited_s - self._waited_s)
        self._waited_s = self._loader.waited_s
        self._losses.append(loss)
        if pace.should_recount(learner.step):
            pace.recount(learner.step, self._course.elapsed_s)
        now = time.monotonic()
        if now - self._told_at >= _STEP_EVENT_S:
            self._told_at = now
            yield self._told(loss, took)
        if now - self._saved_at >= _SAVE_EVERY_S:
            yield from self._save()

    def _told(self, loss: float, took: float) -> events.StepDone:
        learner = self._learner
        all_s = self._busy_s + self._loader.waited_s
        return events.StepDone(
            step=learner.step,
            steps=self._pace.steps,
            epoch=len(self._course.history) + 1,
            loss=loss,
            learning_rate=self._rate,
            pictures_per_s=learner.plan.batch_size / max(1e-6, took),
            waited_share=self._loader.waited_s / max(1e-6, all_s),
            memory_mb=resident_mb(),
            elapsed_s=self._course.elapsed_s,
            eta_s=self._pace.eta_s(learner.step),
        )

    def _epoch(self) -> Iterator[events.Event]:
        course, learner, pace = self._course, self._learner, self._pace
        began = time.monotonic()
        look = self._validation.look(learner)
        took_s = time.monotonic() - began
        number = len(course.history) + 1
        worth = look.mean_dice if look.mean_dice == look.mean_dice else 0.0
        is_best = worth > course.best
        if is_best:
            course.best, course.best_epoch = worth, number
            save_weights(course.folder / "best.safetensors", learner.weights())
        pace.recount(learner.step, course.elapsed_s, look_s=took_s)
        ended = self._ended(number, look, is_best=is_best)
        course.history.append(ended.to_json())
        self._losses, self._epoch_at = [], learner.step
        yield ended
        if number <= 3 or is_best or number % 5 == 0:
            yield self._draw(number)
        yield from self._save()

    def _ended(self, number: int, look: Look, *, is_best: bool) -> events.EpochEnded:
        learner, pace = self._learner, self._pace
        left = -(-max(0, pace.steps - learner.step) // pace.per_epoch)
        return events.EpochEnded(
            epoch=number,
            epochs=number + left,
            step=learner.step,
            train_loss=sum(self._losses) / max(1, len(self._losses)),
            validation_loss=look.loss,
            dice=look.dice,
            iou=look.iou,
            mean_dice=look.mean_dice,
            best=is_best,
            learning_rate=self._rate,
            pictures_per_s=len(self._losses) * learner.plan.batch_size / max(1e-6, self._busy_s),
            memory_mb=resident_mb(),
            elapsed_s=self._course.elapsed_s,
            eta_s=pace.eta_s(learner.step),
        )

    def _draw(self, number: int) -> events.SamplesDrawn:
        course = self._course
        paths, names = [], []
        for place, (view, predicted) in enumerate(self._validation.answers(self._learner, _SHOWN)):
            path = Path("samples") / f"epoch_{number:04}_{place}.png"
            png = draw_case(view.picture, view.truth, predicted, self._learner.plan.classes)
            write_atomically(course.folder / path, lambda file, png=png: file.write(png))  # type: ignore[misc]  # bound now
            paths.append(str(path))
            names.append(view.name)
        return events.SamplesDrawn(epoch=number, paths=tuple(paths), names=tuple(names))

    def _enough(self) -> str:
        """Return why to stop although there is time; empty to go on."""
        course = self._course
        since = len(course.history) - course.best_epoch
        if since >= self._pace.patience_epochs(self._learner.step, len(course.history)):
            return (
                f"Nothing got better for {since} epochs: the best was epoch {course.best_epoch}, "
                f"with a mean Dice of {course.best:.3f}."
            )
        return ""

    def _keep_what_there_is(self, reason: str) -> None:
        course, learner = self._course, self._learner
        if reason.startswith("Learning broke") or not learner.step:
            raise ModelError(
                (reason or "No step of learning fitted into the time.")
                + " There is nothing worth keeping; start again with other settings."
            )
        save_weights(course.folder / "best.safetensors", learner.weights())

    def _pause(self) -> Iterator[events.Event]:
        yield from self._save()
        yield events.Paused(step=self._learner.step)
        began = time.monotonic()
        while self._course.control() == "pause":
            self._course.check()
            time.sleep(_PAUSE_LOOK_S)
        self._course.forget(time.monotonic() - began)  # a pause uses up no budget
        yield events.Resumed(step=self._learner.step)

    def _stop_if_asked(self) -> None:
        """Save and let pass what ends the training from outside."""
        try:
            self._course.check()
            self._course.guard(_STEP_MB, "the next step of training")
        except BaseException:
            for _ in self._save():
                pass
            raise

    def _save(self) -> Iterator[events.Event]:
        course, learner = self._course, self._learner
        save_checkpoint(
            course.folder,
            learner.state(),
            {
                "step": learner.step,
                "steps": self._pace.steps,
                "per_epoch": self._pace.per_epoch,
                "elapsed_s": course.elapsed_s,
                "history": course.history,
                "best": course.best,
                "best_epoch": course.best_epoch,
            },
        )
        self._saved_at = time.monotonic()
        yield events.CheckpointSaved(step=learner.step)
