"""The whole recipe in order: pools, pre-training, folds, calibration, final training, shipping.

Each step leaves a file in the work folder and is skipped when the file is there, so that a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes.recipe import augmentation, drawn, negatives, samples, shipping, validation
from engine.eyes.recipe.network import EyeNetwork
from engine.eyes.recipe.samples import CLASSES, NOT_AN_EYE, Sample
from engine.eyes.recipe.serving import Served, ServingPath
from engine.eyes.recipe.training import Mixture, Plan, Trainer, predicted
from engine.eyes.recipe.validation import Outcome

__all__ = ["Recipe", "run"]

_log = logging.getLogger(__name__)

_ALWAYS_TAUGHT: Final = tuple(
    f"drawn:{kind}"
    for kind in [
        "skin",
        "gradient",
        "texture",
        "shapes",
        "text",
        "fur",
        "landscape",
        "rings",
        "wheel",
        "ball",
    ]
)
"""Kinds of drawings without an eye that pre-training sees; they are never used for figures."""

_TESTED_PER_KIND: Final = 10
_UNSEEN_SEED: Final = 5_000_000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that a run depends on.

    ``data`` is the folder of photographs (with ``labels.csv``), or one that holds it as
    ``eyes/external_eye`` beside other medical pictures. Steps are scaled to fit ``minutes`` when
    these are given; the defaults take about an hour on two cores.
    """

    data: Path
    out: Path
    work: Path
    folds: int = 5
    jobs: int = 2
    drawings: int = 10_000
    pretraining_steps: int = 1000
    fold_steps: int = 560
    final_steps: int = 760
    cycles: int = 2
    batch: tuple[int, int, int] = (26, 12, 10)
    pretraining_batch: tuple[int, int] = (48, 16)
    version: str = "1.1"
    only_groups: tuple[str, ...] | None = None
    use_serving_path: bool = True
    unseen: int = 80

    @property
    def photographs(self) -> Path:
        """The folder that holds ``labels.csv``."""
        below = self.data / "eyes" / "external_eye"
        return below if below.is_dir() else self.data

    @property
    def others(self) -> Path | None:
        """Folder of other medical pictures, if there is one."""
        return self.data if self.photographs != self.data else None


def run(recipe: Recipe) -> dict[str, object]:
    """Train, validate and ship; return the figures.

    Raises
    ------
    InputError
        When the data cannot be read.
    """
    torch.set_num_threads(1)  # threads of one small network wait for each other; jobs do not
    cv2.setNumThreads(1)
    recipe.work.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    _pools(recipe)
    _pretrained(recipe)
    jobs = [*range(recipe.folds), None]
    if recipe.jobs > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(recipe.jobs, mp_context=context) as workers:
            list(workers.map(_trained_job, [(recipe, fold) for fold in jobs]))
    else:
        for fold in jobs:
            _trained_job((recipe, fold))
    outcomes = [o for fold in range(recipe.folds) for o in _fold_outcomes(recipe, fold)]
    network = _loaded(recipe.work / "final.pt")
    photographs, no_eyes, _ = _pools(recipe)
    figures = shipping.ship(
        network,
        outcomes,
        recipe.out,
        photographs=photographs,
        no_eyes=no_eyes,
        version=recipe.version,
        plan_text=_plan_text(recipe),
    )
    _log.info("done in %.1f minutes", (time.monotonic() - began) / 60)
    return figures


def _trained_job(job: tuple[Recipe, int | None]) -> None:
    recipe, fold = job
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if fold is None:
        _final(recipe)
    else:
        _fold_outcomes(recipe, fold)


def _pools(recipe: Recipe) -> tuple[list[Sample], list[Sample], list[Sample]]:
    """Return photographs, pictures without an eye, and drawings; made once, then read."""
    photographs = list(samples.photographs(recipe.photographs, groups=recipe.only_groups))
    if not photographs:
        raise InputError(f"No photograph in {recipe.photographs}; give the folder of labels.csv.")
    path = recipe.work / "no-eyes.pickle"  # our own scratch file, never shipped or loaded elsewhere
    per_kind = 30 if recipe.drawings >= 1000 else 2
    if not path.is_file():
        made = negatives.no_eyes(recipe.others, per_kind=per_kind, drawn_per_kind=4 * per_kind)
        path.write_bytes(pickle.dumps(made))
    no_eyes: list[Sample] = pickle.loads(path.read_bytes())  # noqa: S301 – written by the line above
    return photographs, no_eyes, drawn.drawn_eyes(recipe.drawings, cache=recipe.work)


def _pretrained(recipe: Recipe) -> EyeNetwork:
    """Train on drawings alone."""
    _, no_eyes, drawn_eyes = _pools(recipe)
    taught = [s for s in no_eyes if s.kind in _ALWAYS_TAUGHT or s.kind.startswith("made:")]
    mixture = Mixture(photographs=[], drawn=drawn_eyes, no_eyes=taught)
    drawings, others = recipe.pretraining_batch
    plan = replace(
        _plan(recipe, recipe.pretraining_steps, seed=1),
        photographs=0,
        drawn=drawings,
        no_eyes=others,
    )
    return _trained(mixture, plan, recipe.work / "pretrained.pt", start=None)


def _fold_outcomes(recipe: Recipe, fold: int) -> list[Outcome]:
    """Train without a fold, answer for it."""
    path = recipe.work / f"fold{fold}.csv"
    if path.is_file():
        return validation.read_outcomes(path)
    photographs, no_eyes, drawings = _pools(recipe)
    split = _split(recipe, photographs, no_eyes, fold)
    mixture = Mixture(photographs=split.photographs, drawn=drawings, no_eyes=split.no_eyes)
    plan = _plan(recipe, recipe.fold_steps, seed=10 + fold, fine=True)
    network = _trained(
        mixture, plan, recipe.work / f"fold{fold}.pt", start=_loaded(recipe.work / "pretrained.pt")
    )
    outcomes = _answers(recipe, network, split.held, fold)
    validation.write_outcomes(path, outcomes)
    return outcomes


class _Split(NamedTuple):
    """What a fold's network learns from, and what it is asked about afterwards."""

    photographs: list[Sample]
    no_eyes: list[Sample]
    held: list[Sample]


def _split(
    recipe: Recipe, photographs: Sequence[Sample], no_eyes: Sequence[Sample], fold: int
) -> _Split:
    """Split photographs by group, pictures without an eye by kind."""
    folds = validation.folds_of({s.group: s.label for s in photographs}, folds=recipe.folds)
    kinds = [kind for kind in negatives.kinds_of(no_eyes) if _is_tested(kind)]
    kind_folds = validation.folds_of(dict.fromkeys(kinds, 0), folds=recipe.folds, seed=1)
    held = [s for s in photographs if folds[s.group] == fold]
    for kind in kinds:
        if kind_folds[kind] == fold:
            held += [s for s in no_eyes if s.kind == kind][:_TESTED_PER_KIND]
    return _Split(
        photographs=[s for s in photographs if folds[s.group] != fold],
        no_eyes=[s for s in no_eyes if kind_folds.get(s.kind) != fold],
        held=held,
    )


def _final(recipe: Recipe) -> None:
    photographs, no_eyes, drawings = _pools(recipe)
    mixture = Mixture(photographs=photographs, drawn=drawings, no_eyes=no_eyes)
    plan = _plan(recipe, recipe.final_steps, seed=99, fine=True)
    start = _loaded(recipe.work / "pretrained.pt")
    _trained(mixture, plan, recipe.work / "final.pt", start=start)


def _answers(
    recipe: Recipe, network: EyeNetwork, held: Sequence[Sample], fold: int
) -> list[Outcome]:
    """Answer for held-out pictures, each cropped as the served program would."""
    seen = _served(recipe, held, fold)
    crops = [served.crop for served in seen]
    outcomes = _outcomes(network, held, crops, seen, fold, kind=None)
    eyes = [i for i, sample in enumerate(held) if sample.label != NOT_AN_EYE]
    rng = np.random.default_rng([17, fold])
    views = {
        "neutral": [augmentation.neutral(crops[i], rng) for i in eyes],
        "border_only": [augmentation.border_only(crops[i]) for i in eyes],
    }
    for kind, shown in views.items():
        of_eyes = [held[i] for i in eyes]
        outcomes += _outcomes(network, of_eyes, shown, [seen[i] for i in eyes], fold, kind=kind)
    fresh = [drawn.drawn_sample(_UNSEEN_SEED + fold * 1000 + i) for i in range(recipe.unseen)]
    marked = [_as_marked(sample) for sample in fresh]
    plain = [served.crop for served in marked]
    return outcomes + _outcomes(network, fresh, plain, marked, fold, kind=None)


def _served(recipe: Recipe, held: Sequence[Sample], fold: int) -> list[Served]:
    """Crop each picture as the served program would; slow, so kept in the work folder."""
    if not recipe.use_serving_path:
        return [_as_marked(sample) for sample in held]
    stored = recipe.work / f"served{fold}.pickle"
    if stored.is_file():
        answers: list[Served] = pickle.loads(stored.read_bytes())  # noqa: S301 – our own file
        return answers
    path = ServingPath()
    names = _file_names(recipe)
    answers = []
    for sample in held:
        is_photograph = sample.kind == "photograph"
        file = recipe.photographs / names.get(sample.key, "")
        answers.append(path.crop(samples.read_picture(file) if is_photograph else sample.pixels))
    stored.write_bytes(pickle.dumps(answers))
    return answers


def _as_marked(sample: Sample) -> Served:
    """Crop a picture where it was marked, without the served program's finders."""
    return Served(augmentation.plain_crop(sample), sample.corners, True, 1.0, {})


def _outcomes(
    network: EyeNetwork,
    held: Sequence[Sample],
    crops: Sequence[NDArray[np.uint8]],
    seen: Sequence[Served],
    fold: int,
    *,
    kind: str | None,
) -> list[Outcome]:
    if not held:
        return []
    logits, evidence = predicted(network, crops)
    return [
        Outcome(
            key=sample.key if sample.kind == "photograph" else samples.name_hash(sample.key),
            group=sample.group,
            kind=kind or sample.kind,
            label=sample.label,
            fold=fold,
            found=served.found,
            evidence=float(e),
            logits=tuple(float(v) for v in row),
            cues=served.cues,
        )
        for sample, served, row, e in zip(held, seen, logits, evidence, strict=True)
    ]


def _file_names(recipe: Recipe) -> dict[str, str]:
    return {samples.name_hash(name): name for name in samples.file_names(recipe.photographs)}


def _is_tested(kind: str) -> bool:
    return kind not in _ALWAYS_TAUGHT and not kind.startswith("made:")


def _plan(recipe: Recipe, steps: int, *, seed: int, fine: bool = False) -> Plan:
    photographs, drawings, no_eyes = recipe.batch
    plan = Plan(
        steps=steps,
        photographs=photographs,
        drawn=drawings,
        no_eyes=no_eyes,
        seed=seed,
        warm_up=max(min(50, steps // 10), 1),
    )
    if not fine:
        return plan
    return replace(
        plan, learning_rate=1.2e-3, average=0.99, first_layers_fixed=True, cycles=recipe.cycles
    )


def _trained(
    mixture: Mixture, plan: Plan, checkpoint: Path, *, start: EyeNetwork | None
) -> EyeNetwork:
    trainer = Trainer(mixture, plan, start=start, checkpoint=checkpoint)
    losses: list[float] = []
    for event in trainer.run():
        losses.append(event.loss)
        if event.step % 50 == 0:
            mean = float(np.mean(losses[-50:]))
            _log.info(
                "%s: step %d of %d, loss %.3f", checkpoint.stem, event.step, event.steps, mean
            )
    return trainer.average


def _loaded(checkpoint: Path) -> EyeNetwork:
    network = EyeNetwork(len(CLASSES))
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    return network.eval()


def _plan_text(recipe: Recipe) -> str:
    return (
        f"{recipe.pretraining_steps} steps on {recipe.drawings} rendered eyes, then "
        f"{recipe.fold_steps} steps for each of {recipe.folds} folds and {recipe.final_steps} "
        f"for the shipped network; batches of {sum(recipe.batch)} ({recipe.batch[0]} photographs)"
    )
