"""How good a reader is: on rendered eyes it never saw, and on marked photographs when given."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes.anatomy import AnatomyReader
from engine.eyes.rendered import render_eye, render_not_an_eye
from engine.eyes.rendered.truth import CONDITIONS, Point
from engine.imaging.pictures import decode

__all__ = ["Photograph", "marked_photographs", "measure_photographs", "measure_rendered"]

_HELD_OUT: Final = 7  # first number of the seeds that training never uses
_NAMES: Final = ("sclera", "iris", "pupil")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """A real picture with hand-marked corners of the lids, the left one in the picture first."""

    name: str
    label: str
    pixels: NDArray[np.uint8]
    corners: tuple[Point, Point]


def measure_rendered(reader: AnatomyReader, *, count: int) -> dict[str, float]:
    """Measure ``count`` held-out rendered eyes of each condition, and as many look-alikes.

    Overlap (intersection over union of all pixels of all pictures), median distance of corners
    inside the picture in eye widths, median error of openness and iris radius (relative), and at
    which share confidence sorts eyes from look-alikes.
    """
    shared, either = np.zeros(4), np.zeros(4)
    corner_errors: list[float] = []
    openness_errors: list[float] = []
    radius_errors: list[float] = []
    eyes: list[float] = []
    others: list[float] = []
    for k in range(count):
        for condition in CONDITIONS:
            rng = np.random.default_rng((_HELD_OUT, k, CONDITIONS.index(condition)))
            truth = render_eye(rng, condition=condition, size=(192, 216))
            read = reader.read([truth.picture])[0]
            height, width = truth.labels.shape
            guess = read.label_map(height=height, width=width)
            for label in range(4):
                shared[label] += ((guess == label) & (truth.labels == label)).sum()
                either[label] += ((guess == label) | (truth.labels == label)).sum()
            eyes.append(read.eye_confidence)
            if truth.corners_inside and read.corners is not None:
                corner_errors.append(_corner_error(read.corners, truth.corners))
                openness_errors.append(abs(read.openness - truth.openness))
            if read.iris_radius is not None:
                radius_errors.append(abs(read.iris_radius / truth.iris_radius - 1))
            rng = np.random.default_rng((_HELD_OUT, k, 10 + CONDITIONS.index(condition)))
            others.append(reader.read([render_not_an_eye(rng)])[0].eye_confidence)
    overlap = {f"iou_{name}": float(shared[i + 1] / either[i + 1]) for i, name in enumerate(_NAMES)}
    figures = overlap | {
        "corner_error_median": _percentile(corner_errors, 50),
        "corner_error_p90": _percentile(corner_errors, 90),
        "openness_error_median": _percentile(openness_errors, 50),
        "iris_radius_error_median": _percentile(radius_errors, 50),
        "eyes_above_half": float(np.mean(np.array(eyes) >= 0.5)),
        "look_alikes_above_half": float(np.mean(np.array(others) >= 0.5)),
        "pictures": float(len(eyes) + len(others)),
    }
    return _known(figures)


def marked_photographs(folder: Path, marks: Path) -> Iterator[Photograph]:
    """Yield one marked photograph of each group of a folder with ``labels.csv``.

    Raises
    ------
    InputError
        When either file is not there.
    """
    table = folder / "labels.csv"
    for path in (table, marks):
        if not path.is_file():
            raise InputError(f"Expected the file {path.name!r} in {path.parent}; check the path.")
    corners = json.loads(marks.read_text(encoding="utf-8"))
    with table.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    done: set[str] = set()
    for row in rows:
        mark = corners.get(row["file"])
        if mark is None or row["group"] in done:
            continue
        done.add(row["group"])
        yield Photograph(
            name=row["file"],
            label=row["class"],
            pixels=decode((folder / row["file"]).read_bytes()),
            corners=((mark[0], mark[1]), (mark[2], mark[3])),
        )


def measure_photographs(
    reader: AnatomyReader, photographs: Iterator[Photograph]
) -> dict[str, float]:
    """Measure corners and confidence on real photographs; corners only where both are inside."""
    errors: list[float] = []
    widths: list[float] = []
    confidences: list[float] = []
    for photograph in photographs:
        read = reader.read([photograph.pixels])[0]
        confidences.append(read.eye_confidence)
        height, width = photograph.pixels.shape[:2]
        inside = all(0 <= x <= width and 0 <= y <= height for x, y in photograph.corners)
        if not inside:
            continue
        if read.corners is None:
            errors.append(math.inf)
            continue
        errors.append(_corner_error(read.corners, photograph.corners))
        widths.append(math.dist(*read.corners) / math.dist(*photograph.corners))
    figures = {
        "photographs": float(len(confidences)),
        "confidence_above_half": float(np.mean(np.array(confidences) >= 0.5)),
        "with_both_corners_inside": float(len(errors)),
        "corner_error_median": _percentile(errors, 50),
        "corner_error_p90": _percentile(errors, 90),
        "corners_within_a_tenth": sum(error <= 0.1 for error in errors) / max(len(errors), 1),
        "width_ratio_median": _percentile(widths, 50),
    }
    return _known(figures)


def _percentile(values: list[float], percent: float) -> float:
    """Return a percentile by the nearest rank, so that an infinite error stays one; NaN of none."""
    if not values:
        return math.nan
    return float(np.percentile(values, percent, method="nearest"))


def _known(figures: dict[str, float]) -> dict[str, float]:
    """Leave out what could not be measured: a card holds finite numbers only."""
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _corner_error(read: tuple[Point, Point], truth: tuple[Point, Point]) -> float:
    """Return the mean distance of the two corners, in true eye widths."""
    width = max(math.dist(*truth), 1.0)
    return (math.dist(read[0], truth[0]) + math.dist(read[1], truth[1])) / 2 / width
