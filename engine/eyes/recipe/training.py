"""Batches, losses and the loop: one network from a mixture of pools, resumable at any step."""

from __future__ import annotations

import copy
import math
import queue
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from engine.errors import InputError
from engine.eyes.recipe import augmentation, negatives
from engine.eyes.recipe.network import EyeNetwork
from engine.eyes.recipe.samples import CLASSES, NOT_AN_EYE, Sample
from engine.eyes.recipe.validation import MEASURED

__all__ = ["MEAN", "STD", "Mixture", "Plan", "StepDone", "Trainer", "normalised", "predicted"]

MEAN: Final = (0.5, 0.45, 0.42)
STD: Final = (0.26, 0.25, 0.25)
_UNKNOWN_REGION: Final = 255


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one network is trained; counts are pictures in each batch.

    ``class_shares`` are how often each class is drawn among photographs: Stye, with few groups,
    seldom. ``swapped`` is the share of photographs whose eye is shown in other surroundings.
    In each of ``cycles`` the learning rate falls to 0, each time from 0.6 of where it began before.
    ``first_layers_fixed`` leaves edges and colours as pre-training found them: a third less time,
    and less to learn by heart from few photographs. ``smoothing`` keeps the network from being
    surer than few pictures allow.
    """

    steps: int
    photographs: int = 28
    drawn: int = 20
    no_eyes: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.03
    warm_up: int = 50
    cycles: int = 1
    smoothing: float = 0.06
    regions_weight: float = 0.5
    evidence_weight: float = 0.5
    average: float = 0.995
    swapped: float = 0.3
    first_layers_fixed: bool = False
    class_shares: tuple[float, ...] = (0.31, 0.31, 0.31, 0.07)
    seed: int = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """One step of training; ``loss`` is that of the batch."""

    step: int
    steps: int
    loss: float


@final
class Mixture:
    """Pools to draw batches from: photographs by class and group, drawings, pictures of no eye."""

    def __init__(
        self, *, photographs: Sequence[Sample], drawn: Sequence[Sample], no_eyes: Sequence[Sample]
    ) -> None:
        if not drawn and not photographs:
            raise InputError("Training needs photographs or drawn eyes, but got neither.")
        self._photographs: dict[int, list[list[Sample]]] = {}
        by_group: dict[tuple[int, str], list[Sample]] = defaultdict(list)
        for sample in photographs:
            by_group[sample.label, sample.group].append(sample)
        for (label, _), members in sorted(by_group.items()):
            self._photographs.setdefault(label, []).append(members)
        self._drawn = list(drawn)
        self._no_eyes: dict[str, list[Sample]] = defaultdict(list)
        for sample in no_eyes:
            self._no_eyes[sample.kind].append(sample)

    def batch(self, plan: Plan, rng: np.random.Generator) -> _Batch:
        """Draw one batch. A pool that is empty leaves its share to the drawings."""
        chosen: list[tuple[NDArray[np.uint8], NDArray[np.uint8] | None, int]] = []
        photographs = plan.photographs if self._photographs else 0
        no_eyes = plan.no_eyes if self._no_eyes else 0
        total = plan.photographs + plan.drawn + plan.no_eyes
        drawn = total - photographs - no_eyes if self._drawn else 0
        chosen += [self._varied_photograph(plan, rng) for _ in range(photographs)]
        chosen += [_varied(self._drawing(rng), rng) for _ in range(drawn)]
        chosen += [self._no_eye(plan, rng) for _ in range(no_eyes)]
        return _Batch.of(chosen)

    def _varied_photograph(
        self, plan: Plan, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, int]:
        """Vary a photograph; now and then put its eye into another picture's surroundings.

        Not for a stye, which is itself around the eye.
        """
        pixels, regions, label = _varied(self._photograph(plan, rng), rng)
        if label in MEASURED and rng.random() < plan.swapped:
            around, _, _ = _varied(self._eye(plan, rng), rng)
            pixels = augmentation.in_other_surroundings(pixels, around, rng)
        return pixels, regions, label

    def _drawing(self, rng: np.random.Generator) -> Sample:
        return self._drawn[int(rng.integers(len(self._drawn)))]

    def _photograph(self, plan: Plan, rng: np.random.Generator) -> Sample:
        labels = sorted(self._photographs)
        shares = np.array([plan.class_shares[label] for label in labels])
        groups = self._photographs[labels[int(rng.choice(len(labels), p=shares / shares.sum()))]]
        members = groups[int(rng.integers(len(groups)))]
        return members[int(rng.integers(len(members)))]

    def _eye(self, plan: Plan, rng: np.random.Generator) -> Sample:
        if self._photographs and (rng.random() < 0.6 or not self._drawn):
            return self._photograph(plan, rng)
        return self._drawing(rng)

    def _no_eye(
        self, plan: Plan, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, int]:
        way = rng.random()
        if way < 0.12:
            skin = negatives.skin_beside_eyes(self._eye(plan, rng), rng)
            if skin is not None:
                return _varied(skin, rng)
        if way < 0.27:
            pixels, _, _ = _varied(self._eye(plan, rng), rng)
            return negatives.scrambled(pixels, rng), None, NOT_AN_EYE
        kinds = sorted(self._no_eyes)
        pool = self._no_eyes[kinds[int(rng.integers(len(kinds)))]]
        return _varied(pool[int(rng.integers(len(pool)))], rng)


def _varied(
    sample: Sample, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, int]:
    pixels, regions = augmentation.augmented(sample, rng)
    return pixels, regions, sample.label


@final
@dataclass(frozen=True, slots=True)
class _Batch:
    """``pixels (N, H, W, 3) uint8``, ``labels (N,)``, ``regions (N, H/8, W/8)``."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    regions: NDArray[np.int64]

    @classmethod
    def of(cls, items: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8] | None, int]]) -> _Batch:
        pixels = np.stack([item[0] for item in items])
        coarse = (pixels.shape[1] // 8, pixels.shape[2] // 8)
        regions = np.full((len(items), *coarse), _UNKNOWN_REGION, np.int64)
        for index, (_, known, _) in enumerate(items):
            if known is not None:
                regions[index] = known[4::8, 4::8]
        return cls(pixels, np.array([item[2] for item in items], np.int64), regions)


def normalised(pixels: NDArray[np.uint8]) -> Tensor:
    """Return ``(N, 3, H, W) float32`` in memory order NHWC from ``(N, H, W, 3) uint8``."""
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    return ((values - mean) / std).contiguous(memory_format=torch.channels_last)


def predicted(
    network: EyeNetwork, crops: Sequence[NDArray[np.uint8]], *, batch: int = 64
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return ``logits (N, K)`` and the logit of eye evidence ``(N,)`` of plain crops."""
    network.eval()
    logits, evidence = [], []
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            outputs = network(normalised(np.stack(list(crops[start : start + batch]))))
            logits.append(outputs.logits.float().numpy())
            evidence.append(outputs.evidence.float().numpy()[:, 0])
    return np.concatenate(logits), np.concatenate(evidence)


@final
class Trainer:
    """Trains one network; keeps a moving average of its weights, which is the result.

    Parameters
    ----------
    mixture, plan
        What to draw batches from, and how.
    start
        Weights to begin with (pre-training); random when ``None``.
    checkpoint
        File to resume from and to write to every ``every`` steps.
    """

    def __init__(
        self,
        mixture: Mixture,
        plan: Plan,
        *,
        start: EyeNetwork | None = None,
        checkpoint: Path | None = None,
        every: int = 200,
    ) -> None:
        torch.manual_seed(plan.seed)
        fresh = EyeNetwork(len(CLASSES)) if start is None else copy.deepcopy(start)
        # NHWC is the order in which these convolutions are fast on a CPU.
        self._network = fresh.to(memory_format=torch.channels_last)
        self.average: EyeNetwork = copy.deepcopy(self._network).eval()
        self._plan, self._mixture = plan, mixture
        self._checkpoint, self._every = checkpoint, every
        self._optimizer = torch.optim.AdamW(
            _weight_groups(self._network, plan.weight_decay), lr=plan.learning_rate
        )
        self.step = 0
        if checkpoint is not None and checkpoint.is_file():
            self._resume(checkpoint)

    def run(self) -> Iterator[StepDone]:
        """Train to the plan's last step, one event for each step; stop whenever you like."""
        with _Ahead(self._mixture, self._plan, first=self.step) as batches:
            while self.step < self._plan.steps:
                loss = self._train_on(next(batches))
                self.step += 1
                last = self.step == self._plan.steps
                if self._checkpoint is not None and (last or self.step % self._every == 0):
                    self._save(self._checkpoint)
                yield StepDone(step=self.step, steps=self._plan.steps, loss=loss)

    def _train_on(self, batch: _Batch) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self._network.train()
        with torch.autocast("cpu", torch.bfloat16):
            near = self._near_features(normalised(batch.pixels))
            middle: Tensor = self._network.middle(near)
            outputs = self._network.answered(middle)
            regions = self._network.regions(middle)
        loss = self._loss(outputs.logits.float(), outputs.evidence.float(), regions.float(), batch)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 2.0)
        self._optimizer.step()
        self._update_average()
        return float(loss.detach())

    def _near_features(self, images: Tensor) -> Tensor:
        """Return the first layers' output; no gradient flows there when they are fixed.

        Their normalisation still follows the pictures.
        """
        with torch.set_grad_enabled(not self._plan.first_layers_fixed):
            near: Tensor = self._network.near(F.relu(self._network.stem(images)))
        return near

    def _loss(self, logits: Tensor, evidence: Tensor, regions: Tensor, batch: _Batch) -> Tensor:
        labels = torch.from_numpy(batch.labels)
        is_eye = (labels != NOT_AN_EYE).float()
        loss = F.cross_entropy(
            logits, labels, ignore_index=NOT_AN_EYE, label_smoothing=self._plan.smoothing
        )
        loss = loss + self._plan.evidence_weight * F.binary_cross_entropy_with_logits(
            evidence[:, 0], is_eye
        )
        known = torch.from_numpy(batch.regions)
        if bool((known != _UNKNOWN_REGION).any()):
            loss = loss + self._plan.regions_weight * F.cross_entropy(
                regions, known, ignore_index=_UNKNOWN_REGION
            )
        return loss

    def _learning_rate(self) -> float:
        plan = self._plan
        warm = min((self.step + 1) / max(plan.warm_up, 1), 1.0)
        cycle, place = divmod(self.step * plan.cycles / plan.steps, 1.0)
        fallen = float(0.6**cycle) * 0.5 * (1 + math.cos(math.pi * place))
        return plan.learning_rate * warm * fallen

    def _update_average(self) -> None:
        keep = min(self._plan.average, (1 + self.step) / (10 + self.step))
        theirs = self._network.state_dict()
        with torch.no_grad():
            for name, mine in self.average.state_dict().items():
                if mine.dtype.is_floating_point:
                    mine.lerp_(theirs[name], 1 - keep)
                else:
                    mine.copy_(theirs[name])

    def _save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        torch.save(
            {
                "step": self.step,
                "network": self._network.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self._optimizer.state_dict(),
            },
            temporary,
        )
        temporary.replace(path)

    def _resume(self, path: Path) -> None:
        stored = torch.load(path, weights_only=True)  # our own file; tensors only all the same
        self.step = int(stored["step"])
        self._network.load_state_dict(stored["network"])
        self.average.load_state_dict(stored["average"])
        self._optimizer.load_state_dict(stored["optimizer"])


@final
class _Ahead:
    """Prepares batches in a thread while the network learns from the one before."""

    def __init__(self, mixture: Mixture, plan: Plan, *, first: int) -> None:
        self._mixture, self._plan, self._first = mixture, plan, first
        self._ready: queue.Queue[_Batch | Exception] = queue.Queue(maxsize=4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._prepare, daemon=True)

    def __enter__(self) -> Iterator[_Batch]:
        self._thread.start()
        return self._batches()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while not self._ready.empty():
            self._ready.get_nowait()
        self._thread.join()

    def _batches(self) -> Iterator[_Batch]:
        while True:
            item = self._ready.get()
            if isinstance(item, Exception):
                raise item
            yield item

    def _prepare(self) -> None:
        for step in range(self._first, self._plan.steps):
            try:
                # The step is in the seed: a resumed run sees the batches it would have seen.
                rng = np.random.default_rng([self._plan.seed, step])
                item: _Batch | Exception = self._mixture.batch(self._plan, rng)
            except Exception as error:  # noqa: BLE001 – raised again where batches are used
                item = error
            while not self._stop.is_set():
                try:
                    self._ready.put(item, timeout=0.2)
                    break
                except queue.Full:
                    continue
            if self._stop.is_set():
                return


def _weight_groups(network: EyeNetwork, decay: float) -> list[dict[str, object]]:
    """Decay matrices and kernels only, not biases and norms."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def resized_plan(plan: Plan, *, steps: int) -> Plan:
    """Return the plan with another number of steps (and a warm-up that fits)."""
    return replace(plan, steps=steps, warm_up=min(plan.warm_up, max(steps // 10, 1)))
