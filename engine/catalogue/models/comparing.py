"""What the task ``compare_models`` does: several models, the same held-back pictures.

Dice of each picture is compared in pairs, since pictures differ far more than models do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from engine.catalogue.models.registry import Models
from engine.errors import RequestError
from engine.people.audit import open_audit
from engine.people.permissions import require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.jobs.context import JobContext
    from engine.segmentation.segmenter import Segmenter
    from engine.store.records import ModelRecord
    from engine.training.examples import Example, TrainingSet

__all__ = ["compare_models"]

_SHOWN: Final = 6


def compare_models(context: JobContext) -> str:
    """Ask every model about every held-back picture; store the comparison as JSON.

    Its ``means`` are mean Dice by model, its ``pairs`` the second model minus the first, both with
    95 % intervals; ``rows`` are pictures with the Dice of each model, largest difference first.

    Raises
    ------
    RequestError
        When the models have other classes than the dataset, or no picture is held back.
    """
    from engine.catalogue.trainings.datasets import training_set_of
    from engine.segmentation.segmenter import open_segmenter

    require(context.actor, "models.view")
    models = Models(context.store, context.files, open_audit(context.settings), context.settings)
    records = [models.get(context.actor, str(one)) for one in context.payload["models"]]
    dataset = context.store.datasets.read()[str(context.payload["dataset"])]
    training_set = training_set_of(context.store, context.files, dataset)
    chosen, sentence = _held_back(training_set, records)
    segmenters = [open_segmenter(models.folder(context.actor, one.id)) for one in records]
    _check_classes(records, segmenters, training_set)
    rows: list[dict[str, Any]] = []
    for number, example in enumerate(chosen):
        context.guard_step(300.0, what="comparing on the next picture")
        context.report(number / len(chosen), "Asking the models", f"{number} of {len(chosen)}")
        rows.append(_row(context, example, segmenters))
    document = {
        "dataset": dataset.name,
        "pictures": len(chosen),
        "which": sentence,
        "classes": list(training_set.classes),
        "models": [{"id": r.id, "name": r.name, "version": r.version} for r in records],
        **_compared(rows, len(records)),
    }
    document["shown"] = _drawn(context, document["rows"], chosen, segmenters)
    data = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    kept = context.files.put(data, media_type="application/json")
    context.result("comparison", kept.sha256, f"{len(records)} models on {dataset.name}")
    return f"{len(records)} models were compared on {len(chosen)} pictures of “{dataset.name}”."


def _held_back(
    training_set: TrainingSet, records: Sequence[ModelRecord]
) -> tuple[list[Example], str]:
    """Return pictures that none of the models learnt from, and how they were chosen."""
    by_split = [one for one in training_set.examples if one.split == "test"]
    if by_split:
        return by_split, "The test part of the dataset's split."
    tests = [_names(record, "test") or _names(record, "validation") for record in records]
    own = [
        names
        for record, names in zip(records, tests, strict=True)
        if names and _dataset_name(record) == training_set.name
    ]
    if own:
        common = set.intersection(*map(set, own))
        chosen = [one for one in training_set.examples if one.name in common]
        if chosen:
            return chosen, "Pictures that every model trained on this dataset had held back."
        raise RequestError(
            "The models held back different pictures, so each would be asked about pictures that "
            "another one has learnt from; divide the dataset on its page first, then train."
        )
    return list(training_set.examples), "All pictures: none of them was learnt from."


def _names(record: ModelRecord, part: str) -> tuple[str, ...]:
    details: Any = record.card.get("details", {})
    return tuple(details.get("parts", {}).get(part, ()))


def _dataset_name(record: ModelRecord) -> str:
    details: Any = record.card.get("details", {})
    return str(details.get("dataset", {}).get("name", ""))


def _check_classes(
    records: Sequence[ModelRecord], segmenters: Sequence[Segmenter], training_set: TrainingSet
) -> None:
    for record, segmenter in zip(records, segmenters, strict=True):
        if segmenter.classes != training_set.classes:
            raise RequestError(
                f"“{record.name}” tells {', '.join(segmenter.classes)} apart, but "
                f"“{training_set.name}” has {', '.join(training_set.classes)}; compare models of "
                "the same classes."
            )


def _row(context: JobContext, example: Example, segmenters: Sequence[Segmenter]) -> dict[str, Any]:
    from engine.segmentation.scoring import confusion, mean_dice, overlaps

    picture, truth = example.load()
    found = []
    for segmenter in segmenters:
        answer = segmenter.predict(picture, check=context.check)
        table = confusion(truth, answer.mask, len(segmenter.classes))
        found.append(mean_dice(overlaps(table)))
    return {"name": example.name, "group": example.group, "dice": found}


def _compared(rows: Sequence[Mapping[str, Any]], count: int) -> dict[str, Any]:
    """Return means with intervals, and the differences of each pair with theirs."""
    from engine.segmentation.scoring import mean_interval, paired_bootstrap

    known = [row for row in rows if all(math.isfinite(value) for value in row["dice"])]
    if not known:
        raise RequestError("In none of the pictures is there anything to measure.")
    groups = [row["group"] or f"\0{row['name']}" for row in known]
    scores = [[row["dice"][at] for row in known] for at in range(count)]
    means = []
    for values in scores:
        one = mean_interval(values, groups)
        means.append({"value": _plain(one.value), "low": _plain(one.low), "high": _plain(one.high)})
    pairs = []
    for first in range(count):
        for second in range(first + 1, count):
            found = paired_bootstrap(scores[first], scores[second], groups).interval
            pairs.append(
                {
                    "first": first,
                    "second": second,
                    "difference": _plain(found.value),
                    "low": _plain(found.low),
                    "high": _plain(found.high),
                    "is_clear": bool(found.low > 0 or found.high < 0),
                }
            )
    ordered = sorted(known, key=lambda row: max(row["dice"]) - min(row["dice"]), reverse=True)
    plain = [{"name": row["name"], "dice": [_plain(v) for v in row["dice"]]} for row in ordered]
    return {"means": means, "pairs": pairs, "rows": plain}


def _drawn(
    context: JobContext,
    rows: Sequence[Mapping[str, Any]],
    chosen: Sequence[Example],
    segmenters: Sequence[Segmenter],
) -> list[dict[str, Any]]:
    """Store drawings of the pictures in which the models differ most."""
    from engine.training.evaluating.drawing import draw_case

    by_name = {one.name: one for one in chosen}
    shown = []
    for row in rows[:_SHOWN]:
        picture, truth = by_name[row["name"]].load()
        pngs = []
        for segmenter in segmenters:
            answer: NDArray[np.uint8] = segmenter.predict(picture, check=context.check).mask
            png = draw_case(picture, truth, answer, segmenter.classes)
            pngs.append(context.files.put(png, media_type="image/png").sha256)
            context.result("picture", pngs[-1], row["name"])  # named, so that it is kept
        shown.append({**row, "pictures": pngs})
    return shown


def _plain(value: float) -> float | None:
    return round(float(value), 5) if math.isfinite(value) else None
