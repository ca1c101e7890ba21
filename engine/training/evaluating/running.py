"""The evaluation itself: the temperature from validation pictures, figures from test pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.inference.calibration import fit_temperature
from engine.segmentation.scoring.intervals import mean_interval
from engine.segmentation.scoring.reliability import ReliabilityTally
from engine.training.evaluating.drawing import draw_case
from engine.training.evaluating.looking import case_of, probabilities_of, sampled_pixels
from engine.training.evaluating.results import (
    MEASURES,
    Case,
    Evaluation,
    Figure,
    Gallery,
    Measure,
)

if TYPE_CHECKING:
    from engine.training.examples import Example

__all__ = ["Answer", "evaluate", "evaluation_steps"]

Answer = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""From a picture ``(H, W, 3) uint8`` to logits ``(K, H, W)`` of its size, before temperature."""

_PIXELS_FOR_TEMPERATURE: Final = 20_000
_SHOWN: Final = 4


def evaluate(
    answer: Answer,
    classes: Sequence[str],
    *,
    validation: Sequence[Example],
    test: Sequence[Example],
    seed: int = 0,
    tell: Callable[[int, int], object] = lambda _done, _total: None,
    check: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Measure a model: as :func:`evaluation_steps`, to the end.

    ``tell`` hears how many pictures are done, of how many. ``check`` is called before each
    picture; what it raises ends the evaluation.
    """
    steps = evaluation_steps(answer, classes, validation=validation, test=test, seed=seed)
    while True:
        check()
        try:
            tell(*next(steps))
        except StopIteration as end:
            found: Evaluation = end.value
            return found


def evaluation_steps(
    answer: Answer,
    classes: Sequence[str],
    *,
    validation: Sequence[Example],
    test: Sequence[Example],
    seed: int = 0,
) -> Generator[tuple[int, int], None, Evaluation]:
    """Measure a model picture by picture; yields pictures done and their total.

    The validation pictures give the temperature and nothing else; then each test picture is
    looked at once. Without test pictures the figures are of the validation pictures, and a note
    says so; without either there are no figures. Answers are classes by the largest logit, which
    no temperature changes. The best and the worst pictures are kept as small drawings.

    Raises
    ------
    InputError
        When an answer does not fit its picture or the classes.
    """
    scored = test or validation
    total = len(validation) + len(scored)
    done = 0
    pixels: list[tuple[NDArray[np.float32], NDArray[np.int64]]] = []
    random = np.random.default_rng(seed)
    each = max(1, _PIXELS_FOR_TEMPERATURE // max(1, len(validation)))
    for example in validation:
        picture, truth = example.load()
        logits = _asked(answer, picture, truth, classes)
        pixels.append(sampled_pixels(logits, truth, each, random))
        done += 1
        yield done, total
    temperature = _temperature(pixels)
    tally = _Tally(classes, temperature)
    for example in scored:
        picture, truth = example.load()
        tally.add(example, picture, truth, _asked(answer, picture, truth, classes))
        done += 1
        yield done, total
    part: Literal["test", "validation", "none"] = "validation" if scored else "none"
    return tally.evaluation("test" if test else part, seed, len(validation))


def _asked(
    answer: Answer, picture: NDArray[np.uint8], truth: NDArray[np.uint8], classes: Sequence[str]
) -> NDArray[np.floating]:
    logits = answer(picture)
    if logits.shape != (len(classes), *truth.shape):
        raise InputError(
            f"Expected logits {(len(classes), *truth.shape)} for {len(classes)} classes and a mask "
            f"{truth.shape}, but the model answers {logits.shape}."
        )
    return logits


def _temperature(pixels: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]]) -> float:
    """Return the temperature that makes the sampled truth most likely; 1 without any pixel."""
    if not sum(len(truth) for _, truth in pixels):
        return 1.0
    return fit_temperature(
        np.concatenate([logits for logits, _ in pixels]),
        np.concatenate([truth for _, truth in pixels]),
    )


class _Tally:
    """What is remembered of the pictures that were measured."""

    def __init__(self, classes: Sequence[str], temperature: float) -> None:
        self._classes = tuple(classes)
        self._temperature = temperature
        self._cases: list[Case] = []
        self._table = np.zeros((len(classes), len(classes)), np.int64)
        self._raw, self._fitted = ReliabilityTally(), ReliabilityTally()
        self._best: list[Gallery] = []
        self._worst: list[Gallery] = []

    def add(
        self,
        example: Example,
        picture: NDArray[np.uint8],
        truth: NDArray[np.uint8],
        logits: NDArray[np.floating],
    ) -> None:
        """Measure one picture."""
        predicted = logits.argmax(axis=0).astype(np.uint8)
        case, table = case_of(example.name, example.group, truth, predicted, self._classes)
        self._cases.append(case)
        self._table += table
        self._raw.add(probabilities_of(logits, 1.0), truth)
        self._fitted.add(probabilities_of(logits, self._temperature), truth)
        if not math.isnan(case.mean_dice):
            self._remember(case, picture, truth, predicted)

    def _remember(
        self,
        case: Case,
        picture: NDArray[np.uint8],
        truth: NDArray[np.uint8],
        predicted: NDArray[np.uint8],
    ) -> None:
        """Keep a drawing while the picture is among the best or the worst."""
        score = case.mean_dice
        is_worst = len(self._worst) < _SHOWN or score < self._worst[-1].mean_dice
        is_best = len(self._best) < _SHOWN or score > self._best[-1].mean_dice
        if not (is_worst or is_best):
            return
        png = draw_case(picture, truth, predicted, self._classes)
        if is_worst:
            self._worst.append(Gallery(name=case.name, kind="worst", mean_dice=score, png=png))
            self._worst = sorted(self._worst, key=lambda one: one.mean_dice)[:_SHOWN]
        if is_best:
            self._best.append(Gallery(name=case.name, kind="best", mean_dice=score, png=png))
            self._best = sorted(self._best, key=lambda one: -one.mean_dice)[:_SHOWN]

    def evaluation(
        self, part: Literal["test", "validation", "none"], seed: int, validation: int
    ) -> Evaluation:
        """Return the figures over all pictures."""
        cases = tuple(self._cases)
        names = self._classes[1:]
        shown = {one.name for one in self._worst}
        return Evaluation(
            classes=self._classes,
            part=part,
            seed=seed,
            temperature=self._temperature,
            mean_dice=_figure([case.mean_dice for case in cases], cases, seed),
            figures={
                measure: {name: self._figure(measure, name, seed) for name in names}
                for measure in MEASURES
            },
            confusion=self._table,
            reliability=self._fitted.bins(),
            calibration_error_before=self._raw.expected_calibration_error,
            calibration_error=self._fitted.expected_calibration_error,
            cases=cases,
            gallery=(*self._worst, *(one for one in self._best if one.name not in shown)),
            notes=_notes(part, len(cases), validation),
            validation_pictures=validation,
        )

    def _figure(self, measure: Measure, name: str, seed: int) -> Figure:
        return _figure([case.values[measure][name] for case in self._cases], self._cases, seed)


def _figure(values: list[float], cases: Sequence[Case], seed: int) -> Figure:
    interval = mean_interval(values, [case.group or f"\0{case.name}" for case in cases], seed=seed)
    return Figure(
        value=interval.value,
        low=interval.low,
        high=interval.high,
        pictures=sum(math.isfinite(value) for value in values),
        unreachable=sum(math.isinf(value) for value in values),
    )


def _notes(part: str, pictures: int, validation: int) -> tuple[str, ...]:
    notes = []
    if part == "none":
        notes.append("No picture was held back, so nothing is known about new pictures.")
    if part == "validation":
        notes.append(
            "No picture was held back for a test: these figures are of the validation pictures, "
            "which steered the training, and flatter the model."
        )
    if 0 < pictures < 5:
        notes.append(f"{pictures} pictures are too few for figures that one could rely on.")
    if not validation:
        notes.append("Without validation pictures the probabilities are not calibrated.")
    return tuple(notes)
