"""Make the cell network: ``python -m engine.cells.recipe --data DIR --out DIR [--steps N]``.

``--data`` is the folder of labelled smears, or one that holds it as ``cells/bccd``. A run that was
stopped goes on from ``OUT/checkpoint.pt``. ``OUT/model`` is what lies in ``assets/models/cells``.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

import torch

from engine.cells.recipe import measuring, samples, shipping
from engine.cells.recipe.training import Plan, train
from engine.inference.processors import usable_cores


def main() -> int:
    """Train, measure, ship, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=Plan().steps)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(usable_cores())
    below = options.data / "cells" / "bccd"
    folder = below if below.is_dir() else options.data
    taught = samples.taught(folder)
    plan = Plan(steps=options.steps)
    network = train(taught, plan, options.out / "checkpoint.pt")
    # Thresholds come from training pictures: the held-back ones are for the figures alone.
    whole = [one for one in taught if all(one.complete)]
    thresholds = measuring.thresholds_of(measuring.answers_of(network, whole), whole)
    held = samples.held_back(folder)
    figures = measuring.figures_of(measuring.answers_of(network, held), held)
    shipping.ship(
        network,
        options.out / "model",
        photographs=taught,
        groups=samples.count_groups(folder, taught),
        drawings=plan.drawn,
        metrics=figures,
        thresholds=thresholds,
        steps=plan.steps,
    )
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
