"""Make the embedded network anew: ``python -m engine.spine.embedded.recipe --out DIR``.

Draws and trains for the given minutes, then writes ``DIR/model`` (OpenVINO files and card) and
measures it on drawn patients that it never saw. The state is in ``DIR/checkpoint.pt``: killed at
any moment, ``--resume`` goes on from there; more ``--minutes`` train a finished one further.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.inference import cards, runtimes
from engine.spine.embedded.recipe.measuring import measure
from engine.spine.embedded.recipe.shipping import ship
from engine.spine.embedded.recipe.training import Plan, train

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, train, export, measure."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    checkpoint = options.out / "checkpoint.pt"
    if checkpoint.is_file() and not options.resume:
        raise InputError(
            f"Expected a folder without a training in it, but {options.out} holds a checkpoint; "
            f"go on with --resume, or choose another --out."
        )
    plan = Plan(
        minutes=options.minutes,
        steps=options.steps,
        seed=options.seed,
        threads=options.threads,
        workers=options.workers,
        voxels=options.voxels,
        rate=options.rate,
    )
    state = train(plan, checkpoint=checkpoint)
    elsewhere = {} if options.also is None else json.loads(options.also.read_text("utf-8"))
    folder = options.out / "model"
    card = ship(state, folder, metrics=elsewhere)
    runtime = runtimes.open_runtime(folder, precision="f32", threads=options.threads)

    def answer(volume: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return runtime.run(volume)

    if options.count:
        drawn = measure(answer, count=options.count)
        cards.write(folder, dataclasses.replace(card, metrics={"drawings": drawn, **elsewhere}))
        _log.info("%s", drawn)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engine.spine.embedded.recipe")
    parser.add_argument("--out", type=Path, required=True, help="folder for state and model")
    parser.add_argument("--minutes", type=float, default=90.0, help="training over all restarts")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--steps", type=int, help="end after so many steps, if that is earlier")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="computing threads")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw patients")
    parser.add_argument("--voxels", type=int, default=Plan().voxels, help="most of a patch")
    parser.add_argument("--rate", type=float, default=Plan().rate, help="highest learning rate")
    parser.add_argument("--count", type=int, default=40, help="held-out patients to measure")
    parser.add_argument("--also", type=Path, help="JSON: figures measured elsewhere, for the card")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
