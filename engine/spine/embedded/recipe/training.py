"""Training: patches come from a second process, the state survives a kill at any moment."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.spine.embedded.recipe.network import SpineNet
from engine.spine.embedded.recipe.samples import PATCH_VOXELS, Patch, stream
from engine.spine.embedded.targets import CLASSES, LEVELS, REGIONS
from engine.spine.phantoms.sizes import LABEL_CODES

__all__ = ["Plan", "State", "losses", "train"]

_log = logging.getLogger(__name__)
_CLASS_WEIGHTS: Final = (1.0, 3.0, 3.0, 3.0, 2.0, 3.0, 5.0, 3.0)
_HEAT_WEIGHT: Final = 200.0  # of a centre against empty space: one voxel in 800 is near a centre
_BONE_WEIGHT: Final = 40.0  # of bone and disc away from centres, where false hills would stand
_EMA: Final = 0.998
_WARM_UP: Final = 100
_BUFFER: Final = 24  # patches from which the next is drawn, so that one patient's do not follow
_NUMBER_OF_HELD_OUT: Final = 10**6
_LEVEL_OF_CODE = torch.full((256,), -1.0)
_REGION_OF_CODE = torch.full((256,), -1, dtype=torch.long)
for _name, _code in LABEL_CODES.items():
    _LEVEL_OF_CODE[_code] = LEVELS[_name]
    _REGION_OF_CODE[_code] = REGIONS.index(_name[0])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how to train.

    ``minutes`` is computing time over all restarts, and what the learning rate falls along;
    ``steps`` ends earlier when given. ``voxels`` bounds a patch.
    """

    minutes: float = 90.0
    steps: int | None = None
    seed: int = 0
    threads: int = 1
    rate: float = 2.5e-3
    voxels: int = PATCH_VOXELS
    save_every: int = 100
    workers: int = 1


@final
class State:
    """Everything that a checkpoint holds: network, its running mean, optimiser, progress."""

    def __init__(self, plan: Plan) -> None:
        torch.manual_seed(plan.seed)
        self.net = SpineNet().to(memory_format=torch.channels_last_3d)
        self.mean = SpineNet().to(memory_format=torch.channels_last_3d)
        self.mean.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=plan.rate, weight_decay=1e-3)
        self.step = 0
        self.patient = 0
        self.seconds = 0.0

    def save(self, path: Path) -> None:
        """Write the checkpoint beside its place and move it there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        torch.save(
            {
                "net": self.net.state_dict(),
                "mean": self.mean.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "progress": [self.step, self.patient, self.seconds],
            },
            beside,
        )
        beside.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        held = torch.load(path, weights_only=True)
        self.net.load_state_dict(held["net"])
        self.mean.load_state_dict(held["mean"])
        self.optimiser.load_state_dict(held["optimiser"])
        self.step, self.patient, self.seconds = (
            int(held["progress"][0]),
            int(held["progress"][1]),
            float(held["progress"][2]),
        )


def train(
    plan: Plan,
    *,
    checkpoint: Path,
    resume: bool = True,
    look: Callable[[State], object] | None = None,
    look_every: int = 1000,
) -> State:
    """Train until the plan is done; a checkpoint that exists is continued.

    Parameters
    ----------
    plan
        How long and how.
    checkpoint
        File to go on from and to write to.
    resume
        False begins anew.
    look
        Called after every ``look_every`` steps, for measuring.
    look_every
        Steps between calls of ``look``.
    """
    torch.set_num_threads(plan.threads)
    state = State(plan)
    if resume and checkpoint.is_file():
        state.load(checkpoint)
        _log.info("goes on after step %d (%.1f min)", state.step, state.seconds / 60)
    limit = 60 * plan.minutes
    meters: dict[str, float] = {}
    with _patches(plan, first=state.patient) as incoming:
        begun = time.monotonic() - state.seconds
        while state.seconds < limit and (plan.steps is None or state.step < plan.steps):
            state.patient, patch = next(incoming)
            parts = _learn(state, patch, rate=_rate(plan, state))
            state.step += 1
            state.seconds = time.monotonic() - begun
            for name, value in parts.items():
                meters[name] = 0.95 * meters.get(name, value) + 0.05 * value
            if state.step % 20 == 0:
                _log.info(
                    "step %d, %.1f min, %s",
                    state.step,
                    state.seconds / 60,
                    " ".join(f"{name} {value:.3f}" for name, value in meters.items()),
                )
            if state.step % plan.save_every == 0:
                state.save(checkpoint)
            if look is not None and state.step % look_every == 0:
                look(state)
    state.save(checkpoint)
    return state


def _rate(plan: Plan, state: State) -> float:
    """Return the learning rate: a short rise, then down along a cosine."""
    done = state.seconds / (60 * plan.minutes)
    if plan.steps is not None:
        done = max(done, state.step / plan.steps)
    fall = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return plan.rate * min(1.0, (state.step + 1) / _WARM_UP) * (0.01 + 0.99 * fall)


def _learn(state: State, patch: Patch, *, rate: float) -> dict[str, float]:
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    volume = torch.from_numpy(patch.volume.astype(np.float32))[None, None]
    with torch.autocast("cpu", torch.bfloat16):
        logits = state.net(volume.contiguous(memory_format=torch.channels_last_3d))
    parts = losses(logits.float(), patch)
    loss = torch.stack(list(parts.values())).sum()
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    size = float(torch.nn.utils.clip_grad_norm_(state.net.parameters(), 1.0))
    if not math.isfinite(size):  # bf16 can overflow; one such step would end everything
        odd = [n for n, p in state.net.named_parameters() if not bool(p.grad.isfinite().all())]  # type: ignore[union-attr]  # each has one
        _log.warning("left out a step of size %s: %s", size, odd)
        return {}
    state.optimiser.step()
    keep = min(_EMA, (1 + state.step) / (10 + state.step))
    with torch.no_grad():
        for mean, now in zip(state.mean.parameters(), state.net.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)
    return {name: float(value.detach()) for name, value in parts.items()}


def losses(logits: Tensor, patch: Patch) -> dict[str, Tensor]:
    """Return the parts of the loss for one patch.

    Parameters
    ----------
    logits
        ``(1, 13, I, J, K)`` as of :class:`SpineNet`.
    patch
        What was shown.
    """
    rows = logits.permute(0, 2, 3, 4, 1).reshape(-1, logits.shape[1])
    codes = torch.from_numpy(patch.codes.astype(np.int64)).reshape(-1)
    bodies = (codes > 0).nonzero()[:, 0]
    count = len(CLASSES)
    heat = torch.from_numpy(patch.heat.astype(np.float32)).reshape(-1)
    classes = torch.from_numpy(patch.classes.astype(np.int64)).reshape(-1)
    parts = {
        "heat": _heat_loss(rows[:, 0], heat, classes),
        **_class_loss(rows[:, 1 : 1 + count], classes),
    }
    if len(bodies):
        inside, code = rows[bodies], codes[bodies]
        region = F.cross_entropy(
            inside[:, 1 + count : 1 + count + len(REGIONS)], _REGION_OF_CODE[code]
        )
        level = F.smooth_l1_loss(12 + 12 * inside[:, -1], _LEVEL_OF_CODE[code])
        parts |= {"region": 0.1 * region, "level": 0.1 * level}
    return parts


def _heat_loss(logits: Tensor, heat: Tensor, classes: Tensor) -> Tensor:
    """Cross entropy to the soft map, near centres far above the rest; 0 for a perfect map."""
    weights = 1 + _HEAT_WEIGHT * heat + _BONE_WEIGHT * (classes > 0)
    certain = heat.clamp(1e-6, 1 - 1e-6)
    least = -(certain * certain.log() + (1 - certain) * (1 - certain).log())
    loss = F.binary_cross_entropy_with_logits(logits, heat, reduction="none") - least
    return 10 * (weights * loss).sum() / weights.sum()


def _class_loss(logits: Tensor, classes: Tensor) -> dict[str, Tensor]:
    """Cross entropy, and overlap (Dice) of what is present apart from the background."""
    logs = logits.log_softmax(1)
    entropy = F.nll_loss(logs, classes, weight=torch.tensor(_CLASS_WEIGHTS))
    chances = logs.exp()
    counts = torch.bincount(classes, minlength=len(CLASSES)).float()
    own = chances.gather(1, classes[:, None])[:, 0]
    shared = torch.zeros(len(CLASSES)).index_add(0, classes, own)
    dice = 1 - (2 * shared + 10) / (chances.sum(0) + counts + 10)
    present = counts > 0
    present[0] = False
    overlap = dice[present].mean() if bool(present.any()) else dice[1:].mean()
    return {"entropy": entropy, "dice": 0.5 * overlap}


@contextmanager
def _patches(plan: Plan, *, first: int) -> Iterator[Iterator[tuple[int, Patch]]]:
    """Yield shuffled patches that other processes draw; they end with this one."""
    context = multiprocessing.get_context("spawn")
    line: Any = context.Queue(maxsize=_BUFFER)
    workers = [
        context.Process(
            target=_draw,
            args=(line, plan.seed, first + n, plan.workers, plan.voxels, os.getpid()),
            daemon=True,
        )
        for n in range(plan.workers)
    ]
    for worker in workers:
        worker.start()
    try:
        yield _shuffled(
            line, workers, np.random.default_rng((plan.seed, _NUMBER_OF_HELD_OUT, first))
        )
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
        line.close()
        line.cancel_join_thread()


def _shuffled(
    line: Any,  # noqa: ANN401 – a queue of a context
    workers: list[Any],
    rng: np.random.Generator,
) -> Iterator[tuple[int, Patch]]:
    held: list[tuple[int, Patch]] = []
    while True:
        while not held or (len(held) < _BUFFER and not line.empty()):
            try:
                held.append(line.get(timeout=5))
            except queue.Empty:
                if not any(worker.is_alive() for worker in workers):
                    raise RuntimeError("The process that draws patients ended.") from None
        yield held.pop(int(rng.integers(len(held))))


def _draw(line: Any, seed: int, first: int, step: int, voxels: int, parent: int) -> None:  # noqa: ANN401 – a queue of a context
    with suppress(OSError):
        os.nice(5)
    line.cancel_join_thread()  # or a full line would keep this process alive after its parent
    for item in stream(seed, first=first, step=step, voxels=voxels):
        while True:
            if os.getppid() != parent:
                return
            try:
                line.put(item, timeout=5)
                break
            except queue.Full:
                continue
