"""How fast a training is against the plain loop, who waits for whom, and what it takes in memory.

::

    python -m benchmarks.training_speed [--quick]

Pictures are drawn tissue; network, patches and batch are those of the default plan. The plain loop
is what a tutorial writes: float32, tensors as they come, AdamW, nothing else. Both make steps by
turns in one run, on the same patches, and the medians are compared. Then both learn the same number
of steps from the same patches, and their Dice on held-back pictures is told with an interval over
pictures. The loader's part is how long the network waited for patches while it learnt. For memory a
whole short training (prepare, learn, measure, write the model) runs in a process of its own; its
peak is set against the forecast of its plan. Run it on an otherwise idle machine. Exit code 1 when
a target is missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.inference.processors import usable_cores

if TYPE_CHECKING:
    import torch

    from engine.training.learner import Learner
    from engine.training.patches import Batch, Sampler
    from engine.training.planning import Plan
    from engine.training.preparing import PreparedSet

__all__ = ["main"]

_TIMES_WITH_BF16: Final = 2.5
_TIMES_WITHOUT: Final = 1.3
_MOST_WAITING: Final = 0.05
_FORECAST_WITHIN: Final = 0.25
_SIDE_PX: Final = 512
_LOOK_S: Final = 0.01


def main(arguments: list[str] | None = None) -> int:
    """Print the figures as one JSON document; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a small form, to try it out")
    parser.add_argument("--variant", default="unet", help="the network whose memory is measured")
    parser.add_argument("--memory", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.memory:
        print(json.dumps(_whole_training(options.memory, options.variant, quick=options.quick)))
        return 0
    with tempfile.TemporaryDirectory(prefix="lightbox-") as work:
        found = _figures(Path(work), options.variant, quick=options.quick)
    print(json.dumps(found, indent=2))
    return 0 if all(found["reached"].values()) else 1


def _figures(work: Path, variant: str, *, quick: bool) -> dict[str, Any]:
    import torch

    torch.set_num_threads(usable_cores())
    prepared = _prepared(work / "pictures", 8 if quick else 24)
    chosen = _plan(prepared, quick=quick)
    sampler = _sampler(prepared, chosen, list(range(len(prepared.pictures) * 3 // 4)))
    speed = _speed(chosen, sampler, repeats=3 if quick else 9)
    loader = _loader(chosen, sampler, steps=6 if quick else 40)
    learning = _learning(prepared, chosen, sampler, steps=8 if quick else 60)
    memory = _in_own_process(work / "memory", variant, quick=quick)
    wanted = _TIMES_WITH_BF16 if chosen.precision == "bf16" else _TIMES_WITHOUT
    return {
        "cores": usable_cores(),
        "precision": chosen.precision,
        "patches": f"{chosen.batch_size} of {chosen.patch_px} px",
        "speed": speed,
        "loader": loader,
        "learning": learning,
        "memory": memory,
        "reached": {
            f"at least {wanted:g} times the plain loop": speed["times_plain"] >= wanted,
            "the loader is not the limit": loader["waited_share"] <= _MOST_WAITING,
            "the same Dice within the interval": learning["within_interval"],
            "memory as forecast": abs(memory["forecast_off_by"]) <= _FORECAST_WITHIN,
        },
    }


# --- what is learnt from -------------------------------------------------------------------------


def _prepared(folder: Path, count: int) -> PreparedSet:
    from engine.segmentation.normalising import Normalisation
    from engine.training.preparing import prepare, read_prepared
    from engine.training.tissue import tissue_set

    pictures = tissue_set(count, side_px=_SIDE_PX)
    for _ in prepare(pictures, folder, Normalisation()):
        pass
    return read_prepared(pictures, folder)


def _plan(prepared: PreparedSet, *, quick: bool) -> Plan:
    """Return the plan that somebody gets who wishes for nothing; the quick form is smaller."""
    from engine.training.fingerprint import fingerprint
    from engine.training.planning import Wishes, plan

    wishes = Wishes(patch_px=128, batch_size=4) if quick else Wishes()
    return plan(fingerprint(prepared), prepared.classes, wishes=wishes)


def _sampler(prepared: PreparedSet, chosen: Plan, learnt: Sequence[int]) -> Sampler:
    from engine.training.patches import Sampler

    return Sampler(
        [prepared.pictures[i] for i in learnt],
        patch_px=chosen.patch_px,
        batch_size=chosen.batch_size,
        strength=chosen.augmentation,
        seed=chosen.seed,
    )


# --- the plain loop ------------------------------------------------------------------------------


class _Plain:
    """Network, loss and optimiser as a tutorial has them."""

    def __init__(self, chosen: Plan) -> None:
        import torch

        from engine.training.architectures import build

        torch.manual_seed(chosen.seed)
        self._plan = chosen
        self.network = build(chosen.variant, len(chosen.classes), chosen.options)
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay
        )

    def learn(self, batch: Batch, rate: float) -> float:
        """Make one step; return the loss."""
        import torch

        from engine.training.losses.combined import combined_loss

        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        logits = self.network(torch.from_numpy(batch.pictures))
        loss = combined_loss(logits, torch.from_numpy(batch.masks), focus=self._plan.focus)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return float(loss.detach())


# --- measuring -----------------------------------------------------------------------------------


def _speed(chosen: Plan, sampler: Sampler, *, repeats: int) -> dict[str, float]:
    """Both make steps by turns, so that whatever else the machine does falls on both."""
    from engine.training.learner import Learner

    batches = [sampler.batch(step) for step in range(repeats + 2)]
    ours, plain = Learner(chosen), _Plain(chosen)
    ours_s, plain_s = [], []
    for number, batch in enumerate(batches):
        seconds = [_seconds(lambda one=one, batch=batch: one.learn(batch, 1e-3))  # type: ignore[misc]  # bound now
                   for one in (ours, plain)]  # fmt: skip
        if number >= 2:  # kernels are made ready in the first ones
            ours_s.append(seconds[0])
            plain_s.append(seconds[1])
    ours_median, plain_median = statistics.median(ours_s), statistics.median(plain_s)
    return {
        "step_s": round(ours_median, 3),
        "plain_step_s": round(plain_median, 3),
        "times_plain": round(plain_median / ours_median, 2),
        "patches_per_s": round(chosen.batch_size / ours_median, 2),
    }


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _loader(chosen: Plan, sampler: Sampler, *, steps: int) -> dict[str, float]:
    """Return which part of the time the network waited, and what cutting a batch takes alone."""
    from engine.training.learner import Learner
    from engine.training.patches import Loader

    learner = Learner(chosen)
    alone_s = statistics.median(
        _seconds(lambda step=step: sampler.batch(step))  # type: ignore[misc]  # bound now
        for step in range(5)
    )
    busy_s = 0.0
    with Loader(sampler, first=0) as loader:
        for batch in islice(loader, steps + 1):
            if not learner.step:  # the first batch is waited for once, and kernels are made ready
                learner.learn(batch, 1e-3)
                loader.waited_s = 0.0
                continue
            busy_s += _seconds(lambda batch=batch: learner.learn(batch, 1e-3))  # type: ignore[misc]  # bound now
        waited_s = loader.waited_s
    return {
        "waited_share": round(waited_s / (waited_s + busy_s), 4),
        "cutting_a_batch_s": round(alone_s, 3),
        "step_with_loader_s": round(busy_s / steps, 3),
    }


def _learning(
    prepared: PreparedSet, chosen: Plan, sampler: Sampler, *, steps: int
) -> dict[str, Any]:
    """Let both learn the same; ours has to lie within the plain one's interval, or above it."""
    from engine.segmentation.scoring import mean_interval
    from engine.training.learner import Learner
    from engine.training.pacing import Pace

    counted = replace(chosen, minutes=None, epochs=1, steps_per_epoch=steps, averaging=0.9)
    pace = Pace(counted, spent_s=0.0)
    ours, plain = Learner(counted), _Plain(counted)
    for step in range(steps):
        batch = sampler.batch(step)
        for one in (ours, plain):
            one.learn(batch, pace.rate(step))
    held_back = range(len(prepared.pictures) * 3 // 4, len(prepared.pictures))
    groups = [prepared.pictures[i].group for i in held_back]
    found = {
        name: mean_interval(_dices(prepared, ours, network, held_back), groups)
        for name, network in (("ours", None), ("plain", plain.network))
    }
    return {
        "steps": steps,
        **{
            name: {
                "dice": round(one.value, 4),
                "low": round(one.low, 4),
                "high": round(one.high, 4),
            }
            for name, one in found.items()
        },
        "within_interval": found["ours"].value >= found["plain"].low,
    }


def _dices(
    prepared: PreparedSet,
    learner: Learner,
    network: torch.nn.Module | None,
    held_back: Sequence[int],
) -> list[float]:
    """Return the mean Dice of each held-back picture, in float32 for the plain network."""
    from engine.segmentation.scoring.overlap import confusion, mean_dice, overlaps
    from engine.training.learner import Learner as AnyLearner
    from engine.training.validating import views_of

    asked = learner if network is None else AnyLearner(replace(learner.plan, precision="f32"))
    views = views_of([prepared.pictures[i] for i in held_back], side_multiple=32)
    dices = []
    for view in views:
        height, width = view.truth.shape
        logits = asked.answer(view.values, network)[0, :, :height, :width]
        predicted = logits.argmax(dim=0).numpy().astype("uint8")
        dices.append(mean_dice(overlaps(confusion(view.truth, predicted, len(prepared.classes)))))
    return dices


# --- memory --------------------------------------------------------------------------------------


def _in_own_process(folder: Path, variant: str, *, quick: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.training_speed", "--memory", str(folder)]
    done = subprocess.run(
        [*command, "--variant", variant, *(["--quick"] if quick else [])],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _whole_training(folder: Path, variant: str, *, quick: bool) -> dict[str, Any]:
    """Train for some steps, measure and write the model; watch the memory all along.

    The peak is what the process holds for itself, which is what runs out and what the memory guard
    counts. Libraries and pictures that are mapped from the disk can be let go; the kernel's figure
    with them is told too.
    """
    from engine.training import events
    from engine.training.planning import Wishes
    from engine.training.running import train
    from engine.training.tissue import tissue_set

    seen, forecast_mb = [0], 0.0
    small = {"patch_px": 128, "batch_size": 4} if quick else {}
    wishes = Wishes.from_json({"variant": variant, **small})
    with _Peak() as peak:
        for one in train(
            tissue_set(12, side_px=_SIDE_PX),
            wishes,
            folder,
            control=lambda: "finish" if seen[-1] >= (4 if quick else 16) else "go",
        ):
            if isinstance(one, events.Planned):
                forecast_mb = one.plan.memory_mb
            if isinstance(one, events.StepDone):
                seen.append(one.step)
    with_files_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {
        "variant": variant,
        "forecast_mb": forecast_mb,
        "peak_mb": round(peak.most_mb),
        "peak_with_files_mb": round(with_files_mb),
        "forecast_off_by": round(forecast_mb / peak.most_mb - 1.0, 3),
    }


class _Peak:
    """Looks a hundred times a second how much memory this process holds for itself."""

    def __init__(self) -> None:
        self.most_mb = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak", daemon=True)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _watch(self) -> None:
        from engine.training.resident import resident_mb

        while not self._ending.wait(_LOOK_S):
            self.most_mb = max(self.most_mb, resident_mb())


if __name__ == "__main__":
    sys.exit(main())
