"""Score the cell detectors on pictures with complete labels that no network has learned from.

    LIGHTBOX_TEST_DATA=DIR python -m benchmarks.cell_detection            # network and rules
    LIGHTBOX_TEST_DATA=DIR python -m benchmarks.cell_detection --changed  # also sizes and colours

The pictures are the validation pictures of ``DIR/cells/bccd`` that have complete labels, asked
through ``engine.cells.detect`` as any page or program does. Average precision is Pascal VOC's (from
2010) at IoU 0.5. The rules look for white cells and platelets alone; their kinds of white cells
count as one. Times are of whole answers for one picture, the network warm.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.cells import detect
from engine.cells.detectors import Backend
from engine.cells.names import CLASSES, LYMPHOCYTE, RBC, WBC
from engine.cells.network.decoding import Boxes
from engine.cells.recipe import samples
from engine.cells.recipe.samples import Sample
from engine.cells.recipe.scoring import average_precision, matched
from engine.cells.results import CellsFound

_WANTED: Final = 0.88
_LOWEST: Final = 0.05
Change = Callable[[Sample], Sample]


def main() -> int:
    """Print the figures as JSON; return 1 when the network is below 0.88."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=False)
    parser.add_argument("--changed", action="store_true", help="also other sizes and colours")
    parser.add_argument("--most", type=int, default=0, help="only the first pictures")
    options = parser.parse_args()
    held = samples.held_back(_folder(options.data))
    held = held[: options.most or len(held)]
    report: dict[str, object] = {
        "pictures": len(held),
        "cells": {name: _count(held, kind) for kind, name in enumerate(CLASSES)},
        "network": _scored(held, "network"),
        "opencv": _scored(held, "opencv"),
    }
    if options.changed:
        for name, change in _CHANGES.items():
            report[f"network, {name}"] = _scored([change(one) for one in held], "network")
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    network = report["network"]
    assert isinstance(network, dict)
    return 0 if network["map50"] >= _WANTED else 1


def _folder(given: Path | None) -> Path:
    named = os.environ.get("LIGHTBOX_TEST_DATA", "")
    folder = given or (Path(named) if named else None)
    if folder is None:
        raise SystemExit("Name the folder of data with LIGHTBOX_TEST_DATA or --data.")
    below = folder / "cells" / "bccd"
    return below if below.is_dir() else folder


def _count(held: Sequence[Sample], kind: int) -> int:
    return sum(int((one.classes == kind).sum()) for one in held)


def _scored(held: Sequence[Sample], backend: Backend) -> dict[str, object]:
    parameters = {"least_confidence": _LOWEST} if backend == "network" else None
    detect(held[0].picture, backend, parameters)  # opens the network
    answers, times = [], []
    for one in held:
        began = time.perf_counter()
        found = detect(one.picture, backend, parameters)
        times.append(1000 * (time.perf_counter() - began))
        answers.append(_boxes(found))
    truths = [(one.boxes, one.classes) for one in held]
    each = {
        name: average_precision(matched(answers, truths, kind))
        for kind, name in enumerate(CLASSES)
        if backend == "network" or name != RBC  # the rules do not look for red cells
    }
    return {
        "map50": round(float(np.mean(list(each.values()))), 4),
        "ap50": {name: round(value, 4) for name, value in each.items()},
        "ms_median": round(statistics.median(times), 1),
        "ms_fastest": round(min(times), 1),
    }


def _boxes(found: CellsFound) -> Boxes:
    rows = [
        (CLASSES.index(WBC if one.label == LYMPHOCYTE else one.label), one) for one in found.cells
    ]
    corners = [[one.x, one.y, one.x + one.width, one.y + one.height] for _, one in rows]
    return Boxes(
        np.array(corners, np.float32).reshape(-1, 4),
        np.array([kind for kind, _ in rows], np.int64),
        np.array([one.confidence for _, one in rows], np.float32),
    )


def _resized(factor: float) -> Change:
    def change(one: Sample) -> Sample:
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        picture = cv2.resize(one.picture, None, fx=factor, fy=factor, interpolation=how)
        return replace(one, picture=np.asarray(picture, np.uint8), boxes=one.boxes * factor)

    return change


def _recoloured(matrix: Sequence[Sequence[float]], gamma: float = 1.0) -> Change:
    """Mix the channels and bend the brightness, as another stain or camera does."""
    mixing = np.asarray(matrix, np.float32)

    def change(one: Sample) -> Sample:
        seen = np.clip(one.picture.astype(np.float32) / 255 @ mixing.T, 0, 1) ** gamma
        return replace(one, picture=np.asarray(seen * 255, np.uint8))

    return change


_CHANGES: Final[dict[str, Change]] = {
    "half the size": _resized(0.5),
    "twice the size": _resized(2.0),
    "yellow lamp": _recoloured([[1, 0, 0], [0, 0.92, 0], [0, 0, 0.65]]),
    "dark": _recoloured(np.eye(3).tolist(), gamma=1.8),
    "pale": _recoloured(np.eye(3).tolist(), gamma=0.5),
    "pinker stain": _recoloured([[0.9, 0.1, 0], [0.15, 0.75, 0], [0.2, 0, 0.8]]),
    "grey": _recoloured([[0.3, 0.59, 0.11]] * 3),
}


if __name__ == "__main__":
    sys.exit(main())
