"""Recompute every accuracy figure of the eye model from its stored out-of-fold answers.

    python -m benchmarks.eye_accuracy              # seconds; no photographs, no torch needed
    python -m benchmarks.eye_accuracy --data DIR   # also the serving path on photographs

The first form fails (exit code 1) when a figure differs from the card's. The second runs the
shipped model through the whole serving path; its accuracy is optimistic, since the shipped network
has learned from these photographs. What it checks is the path: how many eyes are found, and how
fast the classifier is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from engine.eyes.classifier import EyeClassifier, rule_of
from engine.eyes.recipe import validation
from engine.inference import cards
from engine.shipped import shipped


def main() -> int:
    """Print the figures; return 1 when they are not those of the card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, default=shipped("models", "eyes"))
    parser.add_argument("--data", type=Path, help="folder of photographs with labels.csv")
    given = parser.parse_args()
    card = cards.load(given.model)
    outcomes = validation.read_outcomes(given.model / str(card.details["out_of_fold"]))
    figures = json.loads(json.dumps(validation.figures(outcomes, rule=rule_of(card))))
    _print_figures(figures, outcomes)
    _print_speed(given.model)
    if given.data is not None:
        _print_serving(given.model, given.data)
    if figures != json.loads(json.dumps(card.metrics)):
        print("\nThese figures differ from the card's: the card or the code has changed.")
        return 1
    print("\nAll figures equal the card's.")
    return 0


def _print_figures(figures: dict[str, Any], outcomes: list[validation.Outcome]) -> None:
    photographs = validation.photographs_of(outcomes)
    groups = {o.group for o in photographs}
    print(f"Photographs: {len(photographs)} of {len(groups)} groups, grouped cross-validation\n")
    print(f"  balanced accuracy               {_share(figures['balanced_accuracy'])}")
    found = figures["balanced_accuracy_when_found"]
    print(f"  - where an eye was found        {_share(found)}")
    print(f"  Healthy against Conjunctivitis  {_share(figures['healthy_against_conjunctivitis'])}")
    print(f"  Healthy against Cataract        {_share(figures['healthy_against_cataract'])}")
    for name, row in figures["by_class"].items():
        print(f"  {name:15s} {row['pictures']:4d} pictures of {row['groups']:3d} groups")
        print(f"      sensitivity {_share(row['sensitivity'])}")
        print(f"      specificity {_share(row['specificity'])}")
    print("  confusion (rows: truth, one picture of each group)")
    for name, row in figures["confusion"].items():
        print(f"      {name:15s}", "  ".join(f"{k} {v:3d}" for k, v in row.items()))
    error = figures["calibration"]
    print(
        f"  expected calibration error      {error['expected_calibration_error']:.3f} "
        f"(before temperature {error['before_temperature']:.3f})"
    )
    sets = figures["conformal"]
    print(f"  conformal coverage              {_share(sets['measured'])}, stated {sets['stated']}")
    for name, row in sets["by_class"].items():
        print(f"      {name:15s} {_share(row)}")
    print(f"      mean size {sets['mean_size']}, one class {sets['single']:.1%}")
    said = figures["decisions"]
    print(
        f"  'likely' was said of {said['likely']} groups, right {_share(said['likely_and_right'])}"
    )
    for name, row in said["by_class"].items():
        print(f"      {name:15s}", ", ".join(f"{k}: {v}" for k, v in row.items()))
    eyes = figures["acceptance"]
    print(f"  eyes taken for eyes             {_share(eyes['accepted'])}")
    others = figures["no_eye"]
    print(f"Pictures without an eye: {others['pictures']} of {others['kinds']} kinds, held out")
    print(f"  given a disease                 {_share(others['given_a_disease'])}")
    print(f"  taken for an eye                {_share(others['taken_for_an_eye'])}")
    print("Other views (no part of the accuracy)")
    for kind, row in figures["other_views"].items():
        print(f"  {kind:31s} {_share(row)}")


def _print_speed(folder: Path) -> None:
    """Time two crops, as for two eyes."""
    model = EyeClassifier.open(folder)
    crops = np.random.default_rng(0).integers(0, 256, (2, 128, 144, 3), dtype=np.uint8)
    taken = []
    for _ in range(120):
        start = time.perf_counter()
        model.classify(crops)
        taken.append((time.perf_counter() - start) * 1000)
    runtime = model.runtime
    median, p95 = statistics.median(taken[20:]), float(np.percentile(taken[20:], 95))
    print(
        f"Two crops: median {median:.2f} ms, p95 {p95:.2f} ms ({runtime.name}, {runtime.precision})"
    )


def _print_serving(folder: Path, data: Path) -> None:
    from engine.eyes.recipe import samples
    from engine.eyes.recipe.serving import ServingPath

    model, path = EyeClassifier.open(folder), ServingPath()
    counts: dict[str, Counter[str]] = {}
    for row in samples.table_of(data):
        served = path.crop(samples.read_picture(data / row["file"]))
        (answer,) = model.classify(served.crop[None])
        ruling = model.decide(answer, cues=served.cues)
        said = (
            f"{ruling.decision} {ruling.label or ''}".strip() if served.found else "nothing found"
        )
        counts.setdefault(row["class"], Counter())[said] += 1
    print("Shipped model on the photographs it has learned from (checks the path, not accuracy)")
    for name, row_counts in sorted(counts.items()):
        print(f"  {name}: ", ", ".join(f"{k} {v}" for k, v in row_counts.most_common()))


def _share(row: dict[str, float]) -> str:
    return f"{row['value']:.3f}  (95 %: {row['low']:.3f} to {row['high']:.3f})"


if __name__ == "__main__":
    sys.exit(main())
