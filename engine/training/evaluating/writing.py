"""An evaluation as files of a model's folder."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Final

from engine.training.evaluating.results import Evaluation

__all__ = ["METRICS_NAME", "write_evaluation"]

METRICS_NAME: Final = "metrics.json"


def write_evaluation(evaluation: Evaluation, folder: Path) -> tuple[Path, ...]:
    """Write ``metrics.json`` and the gallery (``worst_1.png``, ``best_1.png``, …); return them.

    The document names each picture's file under ``gallery``.
    """
    document = evaluation.to_json()
    written = []
    numbers: Counter[str] = Counter()
    for entry, one in zip(document["gallery"], evaluation.gallery, strict=True):
        numbers[one.kind] += 1
        entry["file"] = f"{one.kind}_{numbers[one.kind]}.png"
        path = folder / entry["file"]
        path.write_bytes(one.png)
        written.append(path)
    path = folder / METRICS_NAME
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path, *written
