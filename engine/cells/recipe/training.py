"""The training loop: resumable, on photographs and drawings, with an averaged network."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import cv2
import numpy as np
import torch
from torch import Tensor

from engine.cells.network.layout import normalised
from engine.cells.recipe.architecture import CellNetwork
from engine.cells.recipe.augmentation import cropped, recoloured
from engine.cells.recipe.losses import box_loss, heat_loss
from engine.cells.recipe.samples import Sample
from engine.cells.recipe.smears import drawn_smear
from engine.cells.recipe.targets import targets_of

__all__ = ["Plan", "train"]

_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run depends on; ``photographs`` and ``drawings`` are counts in each batch.

    ``drawn`` smears are drawn once; each time one is taken it is cut and coloured anew.
    """

    steps: int = 1800
    photographs: int = 7
    drawings: int = 3
    side_px: int = 320
    rate: float = 2e-3
    averaging: float = 0.998
    seed: int = 1
    save_every: int = 200
    drawn: int = 400


def train(samples: Sequence[Sample], plan: Plan, checkpoint: Path) -> CellNetwork:
    """Train, or go on from ``checkpoint``, and return the averaged network."""
    torch.manual_seed(plan.seed)
    cv2.setNumThreads(1)
    network = CellNetwork().to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=0.02)
    done = _resume(checkpoint, network, average, optimiser)
    drawn = [
        drawn_smear(np.random.default_rng([plan.seed, number, 7]), side_px=plan.side_px + 128)
        for number in range(plan.drawn)
    ]
    began, first = time.monotonic(), done
    for step in range(done, plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = _rate(plan, step)
        batch = _batch(samples, drawn, plan, np.random.default_rng([plan.seed, step]))
        network.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits, sides = network(batch.picture)
        heat = heat_loss(logits, batch.heat, batch.counts)
        box = box_loss(sides, batch.sides, batch.weight)
        loss = heat + 2.0 * box
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"The loss is {loss.item()} at step {step}; lower the rate.")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        _follow(average, network, min(plan.averaging, (step + 1) / (step + 10)))
        if (step + 1) % 20 == 0:
            each = (time.monotonic() - began) / (step + 1 - first)
            _log.info("step %d heat %.3f box %.3f %.2f s", step + 1, heat.item(), box.item(), each)
        if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
            _save(checkpoint, step + 1, network, average, optimiser)
    return average


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    picture: Tensor
    heat: Tensor
    counts: Tensor
    sides: Tensor
    weight: Tensor


def _batch(
    samples: Sequence[Sample], drawn: Sequence[Sample], plan: Plan, rng: np.random.Generator
) -> _Batch:
    chosen = list(_chosen(samples, drawn, plan, rng))
    pictures = np.stack([normalised(recoloured(one.picture, rng)) for one in chosen])
    targets = [targets_of(one) for one in chosen]
    stacked = [torch.from_numpy(np.stack(parts)) for parts in zip(*targets, strict=True)]
    return _Batch(
        picture=torch.from_numpy(pictures).to(memory_format=torch.channels_last),
        heat=stacked[0],
        counts=stacked[1],
        sides=stacked[2],
        weight=stacked[3],
    )


def _chosen(
    samples: Sequence[Sample], drawn: Sequence[Sample], plan: Plan, rng: np.random.Generator
) -> Iterator[Sample]:
    for pool, count in ((samples, plan.photographs), (drawn, plan.drawings)):
        for _ in range(count):
            yield cropped(pool[int(rng.integers(len(pool)))], rng, side_px=plan.side_px)


def _rate(plan: Plan, step: int) -> float:
    """Warm up over 200 steps, then fall along a cosine."""
    warm = min(1.0, (step + 1) / 200)
    return plan.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / plan.steps)))


@torch.no_grad()
def _follow(average: CellNetwork, network: CellNetwork, keep: float) -> None:
    own, new = average.state_dict(), network.state_dict()
    for name, value in own.items():
        if value.dtype.is_floating_point:
            value.lerp_(new[name], 1 - keep)
        else:
            value.copy_(new[name])


def _save(
    path: Path, step: int, network: CellNetwork, average: CellNetwork, optimiser: torch.optim.AdamW
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "step": step,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    unfinished = path.with_suffix(".part")
    torch.save(state, unfinished)
    unfinished.replace(path)


def _resume(
    path: Path, network: CellNetwork, average: CellNetwork, optimiser: torch.optim.AdamW
) -> int:
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
