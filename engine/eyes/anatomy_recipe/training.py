"""Training of the anatomy network on an endless stream of rendered samples."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from engine.eyes.anatomy_recipe.network import AnatomyNet
from engine.eyes.anatomy_recipe.samples import Sample, make_sample, varied
from engine.eyes.anatomy_view import VIEW_HEIGHT, VIEW_WIDTH

__all__ = ["MEAN", "STD", "Plan", "normalised", "train"]

MEAN: Final = (0.5, 0.5, 0.5)
STD: Final = (0.25, 0.25, 0.25)
_CORNER_SPREAD_PX: Final = 1.3  # of the half-size map
# Sclera, iris and pupil are small beside the rest; without weights the pupil is learned last.
_CLASS_WEIGHTS: Final = (0.6, 1.0, 1.2, 1.8)
_KEPT: Final = 1500  # samples in memory of each renderer process, 110 MB
_FRESH: Final = 0.35
_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how to train.

    ``minutes`` is wall-clock time; the schedule follows it. ``renderers`` is the number of
    processes that draw; 0 draws in this one. ``keep_every`` is in steps.
    """

    minutes: float
    batch: int = 32
    peak_rate: float = 2.5e-3
    seed: int = 0
    renderers: int = 1
    threads: int = 1
    keep_every: int = 200


@final
class _Stream(IterableDataset[dict[str, Tensor]]):
    """Endless samples; each renderer process has its own sequence of seeds."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = get_worker_info()
        number = 0 if worker is None else worker.id
        rng = np.random.default_rng((self._plan.seed, 2, number))
        kept: list[Sample] = []
        count = 0
        while True:
            # Drawing costs as much as training: each drawing is used about three times, never
            # twice in the same way.
            if len(kept) < _KEPT // 8 or rng.uniform() < _FRESH:
                fresh = make_sample(np.random.default_rng((self._plan.seed, 1, number, count)))
                count += 1
                if len(kept) < _KEPT:
                    kept.append(fresh)
                else:
                    kept[int(rng.integers(_KEPT))] = fresh
                yield encoded(fresh)
            else:
                yield encoded(varied(rng, kept[int(rng.integers(len(kept)))]))


def normalised(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (3, H, W) as the network takes it from (H, W, 3) pixels."""
    values = (pixels.astype(np.float32) / 255 - np.float32(MEAN[0])) / np.float32(STD[0])
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def encoded(sample: Sample) -> dict[str, Tensor]:
    """Return a sample as tensors."""
    corners = np.stack([_heat(sample.left), _heat(sample.right)])
    return {
        "picture": torch.from_numpy(normalised(sample.pixels)),
        "labels": torch.from_numpy(sample.labels.astype(np.int64)),
        "corners": torch.from_numpy(corners),
        "presence": torch.tensor([float(sample.present)]),
    }


def _heat(points: tuple[tuple[float, float], ...]) -> NDArray[np.float32]:
    """Return a bump of height 1 at each point inside, on the half-size map (64, 72)."""
    y = np.arange(VIEW_HEIGHT // 2, dtype=np.float32)[:, None]
    x = np.arange(VIEW_WIDTH // 2, dtype=np.float32)[None, :]
    heat = np.zeros((VIEW_HEIGHT // 2, VIEW_WIDTH // 2), np.float32)
    for px, py in points:
        cx, cy = px / 2 - 0.5, py / 2 - 0.5
        if 0 <= px < VIEW_WIDTH and 0 <= py < VIEW_HEIGHT:
            squared = (x - cx) ** 2 + (y - cy) ** 2
            heat = np.maximum(heat, np.exp(-squared / (2 * _CORNER_SPREAD_PX**2)))
    return heat


def loss_of(outputs: tuple[Tensor, Tensor, Tensor], batch: dict[str, Tensor]) -> Tensor:
    """Return the sum of the three losses."""
    labels, corners, presence = (output.float() for output in outputs)
    labels = F.interpolate(labels, scale_factor=2, mode="bilinear", align_corners=False)
    weights = torch.tensor(_CLASS_WEIGHTS)
    places = F.cross_entropy(labels, batch["labels"], weight=weights)
    overlap = _dice_loss(labels.softmax(dim=1), batch["labels"])
    target = batch["corners"]
    # Nearly all of the map is empty; places near a corner count for more.
    spots = F.binary_cross_entropy_with_logits(corners, target, weight=1 + 30 * target)
    there = F.binary_cross_entropy_with_logits(presence, batch["presence"])
    return places + 0.5 * overlap + 2.0 * spots + 0.3 * there


def _dice_loss(shares: Tensor, labels: Tensor) -> Tensor:
    """Return 1 - Dice over sclera, iris and pupil, of the whole batch at once."""
    truth = F.one_hot(labels, 4).permute(0, 3, 1, 2)[:, 1:].float()
    guess = shares[:, 1:]
    shared = (truth * guess).sum(dim=(0, 2, 3))
    total = truth.sum(dim=(0, 2, 3)) + guess.sum(dim=(0, 2, 3))
    return 1 - ((2 * shared + 1) / (total + 1)).mean()


def train(plan: Plan, *, checkpoint: Path | None = None) -> AnatomyNet:
    """Train for the planned time; resume from and write to ``checkpoint`` when given.

    The rate warms up and falls along a half cosine over the planned time, so that an interrupted
    training, resumed, ends on the same schedule.
    """
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    net = AnatomyNet().to(memory_format=torch.channels_last)
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.peak_rate, weight_decay=0.02)
    spent, step = 0.0, 0
    if checkpoint is not None and checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        spent, step = state["spent"], state["step"]
    # A resumed training must not see the same pictures again.
    fresh = dataclasses.replace(plan, seed=plan.seed + 1000 * step)
    loader = DataLoader(
        _Stream(fresh),
        batch_size=plan.batch,
        num_workers=plan.renderers,
        prefetch_factor=4 if plan.renderers else None,
    )
    short = _has_fast_bf16()
    started = time.monotonic() - spent
    for batch in loader:
        spent = time.monotonic() - started
        progress = spent / (plan.minutes * 60)
        if progress >= 1:
            break
        rate = plan.peak_rate * min(1.0, (step + 1) / 60) * 0.5 * (1 + math.cos(math.pi * progress))
        for group in optimiser.param_groups:
            group["lr"] = rate
        net.train()
        picture = batch["picture"].to(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=short):
            outputs = net(picture)
        loss = loss_of(outputs, batch)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        _follow(average, net, step)
        step += 1
        if step % 50 == 0:
            _log.info("step %d, %.1f min, loss %.4f", step, spent / 60, loss.item())
        if checkpoint is not None and step % plan.keep_every == 0:
            _keep(checkpoint, net, average, optimiser, spent=spent, step=step)
    return average.eval()


def _follow(average: AnatomyNet, net: AnatomyNet, step: int) -> None:
    """Move the average of all weights so far a little towards the newest, in place."""
    share = min(0.995, (1 + step) / (10 + step))
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - share)
            else:
                kept.copy_(new)


def _keep(
    checkpoint: Path,
    net: AnatomyNet,
    average: AnatomyNet,
    optimiser: torch.optim.Optimizer,
    *,
    spent: float,
    step: int,
) -> None:
    state = {
        "net": net.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "spent": spent,
        "step": step,
    }
    part = checkpoint.with_suffix(".part")
    torch.save(state, part)
    part.replace(checkpoint)


def _has_fast_bf16() -> bool:
    """Tell whether the processor multiplies bf16 itself; emulated, it would be slower than f32."""
    return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 – torch has no public name for it
