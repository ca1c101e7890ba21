"""Measure the shipped nuclei model on the pictures that were held back from its training.

    LIGHTBOX_TEST_DATA=DIR python -m benchmarks.nuclei_accuracy
    python -m benchmarks.nuclei_accuracy --data DIR [--model FOLDER] [--pictures FOLDER]

``DIR`` holds ``seg/dsb2018``. The names of the held-back pictures are in the model's card; the
answers come from ``engine.segmentation``, as for any page or program. Printed are Dice by kind of
microscopy, beside Otsu's threshold whose polarity is told for each picture, with 95 % intervals
over groups of pictures that were cut from one; ``--pictures`` writes the worst and the best ones.
Exit code 1: below 0.91 in all, or not above Otsu in one kind, or figures that are not the card's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.segmentation.scoring import confusion, match_objects, mean_dice, overlaps
from engine.segmentation.segmenter import open_segmenter
from engine.shipped import shipped
from engine.training.evaluating.drawing import draw_case
from engine.training.recipes.nuclei_card import figures_by_kind
from engine.training.recipes.nuclei_pictures import KINDS, nuclei_folder, read_nuclei

_WANTED: Final = 0.91
_SAME: Final = 0.005
"""So much may a figure differ from the card's: another processor rounds otherwise."""


def main() -> int:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", type=Path, default=shipped("models", "nuclei"))
    parser.add_argument("--pictures", type=Path, help="where the worst and best pictures go")
    options = parser.parse_args()
    segmenter = open_segmenter(options.model)
    names = set(segmenter.card.details["held_back"])  # type: ignore[call-overload]  # a list
    held = [one for one in read_nuclei(nuclei_folder(_data(options.data))) if one.name in names]
    scores: dict[str, float] = {}
    found = invented = missed = 0
    answers = {}
    seconds = 0.0
    for one in held:
        picture, truth = one.load()
        start = time.perf_counter()
        mask = segmenter.predict(picture).mask
        seconds += time.perf_counter() - start
        scores[one.name] = mean_dice(overlaps(confusion(truth, mask, 2)))
        objects = match_objects(truth, mask, 1)
        found, invented = found + objects.found, invented + objects.invented
        missed += objects.missed
        answers[one.name] = picture, truth, mask
    figures = figures_by_kind(held, scores)
    report: dict[str, Any] = {
        "model": segmenter.card.label,
        "kinds": figures,
        "object_f1": round(2 * found / max(1, 2 * found + invented + missed), 4),
        "seconds_per_picture": round(seconds / max(1, len(held)), 3),
    }
    stated: Any = segmenter.card.metrics["kinds"]
    report["differs_from_card"] = round(
        max(abs(figures[k]["dice"]["value"] - stated[k]["dice"]["value"]) for k in figures), 5
    )
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    if options.pictures:
        _write_pictures(options.pictures, scores, answers)
    is_good = figures["all"]["dice"]["value"] >= _WANTED and all(
        figures[kind]["dice"]["value"] > figures[kind]["otsu"]["value"] for kind in KINDS
    )
    return 0 if is_good and report["differs_from_card"] <= _SAME else 1


def _data(given: Path | None) -> Path:
    named = os.environ.get("LIGHTBOX_TEST_DATA", "")
    if given is None and not named:
        raise SystemExit("Name the folder of data with LIGHTBOX_TEST_DATA or --data.")
    return given or Path(named)


def _write_pictures(folder: Path, scores: dict[str, float], answers: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    order = sorted(scores, key=lambda name: scores[name])
    steps = np.linspace(0, len(order) - 1, min(16, len(order))).round().astype(int)
    for at in steps.tolist():
        name = order[at]
        picture, truth, mask = answers[name]
        png = draw_case(picture, truth, mask, ("background", "nucleus"))
        (folder / f"{at:03}_{scores[name]:.3f}_{name}.png").write_bytes(png)


if __name__ == "__main__":
    sys.exit(main())
