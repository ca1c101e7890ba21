"""``python -m engine.eyes.recipe``: train, validate and ship the eye model."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import LightboxError
from engine.eyes.recipe.running import Recipe, run

__all__ = ["main"]

_USUAL_MINUTES = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the recipe; return 0 when a model folder was written, 2 when the data cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m engine.eyes.recipe", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds labels.csv")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--work", type=Path, default=Path("var/eye-recipe"), help="checkpoints")
    parser.add_argument("--minutes", type=float, default=_USUAL_MINUTES, help="about, on two cores")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="networks trained at the same time")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    usual = Recipe(data=given.data, out=given.out, work=given.work)
    share = max(given.minutes / _USUAL_MINUTES, 0.002)
    recipe = replace(
        usual,
        folds=given.folds,
        jobs=given.jobs,
        drawings=max(int(usual.drawings * min(share, 1)), 24),
        pretraining_steps=max(int(usual.pretraining_steps * share), 2),
        fold_steps=max(int(usual.fold_steps * share), 2),
        final_steps=max(int(usual.final_steps * share), 2),
    )
    try:
        figures = run(recipe)
    except LightboxError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
