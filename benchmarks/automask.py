"""How long auto-mask takes, how well it finds drawn tissue, and what a huge picture needs.

    OMP_NUM_THREADS=1 python -m benchmarks.automask [--huge] [--repeats N]

Seconds are those of the processor, all threads added. Truth is the mask by which the
tissue was drawn; scribbles are four short lines in each state. ``--huge`` adds 9,000×9,000.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.annotation import automask
from engine.annotation.agreement import compare
from engine.imaging.drawn_tissue import draw_tissue


def scribble(truth: NDArray[np.uint8], *, lines: int = 4) -> NDArray[np.uint8]:
    """Return a few short lines in each state."""
    random = np.random.default_rng(1)
    scribbled = np.full(truth.shape, 255, np.uint8)
    for state in np.unique(truth).tolist():
        places = np.argwhere(truth == state)
        for _ in range(lines):
            row, col = places[random.integers(len(places))]
            reach = random.normal(0, truth.shape[0] / 14, 2)
            canvas = np.zeros(truth.shape, np.uint8)
            ends = [(int(col + sign * reach[0]), int(row + sign * reach[1])) for sign in (-1, 1)]
            cv2.line(canvas, ends[0], ends[1], 1, 9)
            scribbled[(canvas > 0) & (truth == state)] = state
    return scribbled


def measure(repeats: int) -> dict[str, object]:
    """Time each way on 1,024²; compare with the truth on five slices."""
    slices = [draw_tissue(seed, side_px=1024, looked_at_share=1.0) for seed in range(5)]
    automask.teach(slices[0].picture, scribble(slices[0].mask))  # loads libraries
    taught, dice = [], []
    for tissue in slices:
        scribbled = scribble(tissue.mask)
        for _ in range(repeats):
            began = time.process_time()
            proposal = automask.teach(tissue.picture, scribbled)
            taught.append(time.process_time() - began)
        dice.append(compare(proposal.mask, tissue.mask).dice)
    names = ("background", "unhealthy", "healthy")
    first = slices[0]
    path = np.array([[300, 300], [420, 330], [500, 420]], np.float32)
    return {
        "side_px": 1024,
        "teach_s_median": round(statistics.median(taught), 3),
        "teach_s_worst": round(max(taught), 3),
        "dice_mean": {n: round(statistics.mean(float(d[n] or 0) for d in dice), 3) for n in names},
        "painted_share": round(float((scribbled != 255).mean()), 4),
        "tissue_s": _seconds(lambda: automask.tissue(first.picture)),
        "stained_s": _seconds(lambda: automask.stained(first.picture)),
        "close_gaps_s": _seconds(lambda: automask.close_gaps(scribbled)),
        "smart_brush_s": _seconds(lambda: automask.smart_brush(first.picture, path, 40, state=1)),
        "wand_s": _seconds(lambda: automask.wand(first.picture, 500, 500, state=1)),
    }


def measure_huge() -> dict[str, object]:
    """Propose 9,000×9,000 pixels; the memory is the most that this process ever held."""
    tissue = draw_tissue(0, side_px=1500, looked_at_share=1.0)
    picture = np.ascontiguousarray(np.tile(tissue.picture, (6, 6, 1)))
    scribbled = np.full(picture.shape[:2], 255, np.uint8)
    scribbled[:1500, :1500] = scribble(tissue.mask)
    truth = np.tile(tissue.mask, (6, 6))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    began = time.process_time()
    proposal = automask.teach(picture, scribbled)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    right = float((proposal.mask == truth).mean())
    return {
        "side_px": 9000,
        "teach_s": round(seconds, 1),
        "memory_before_mb": before,
        "memory_peak_mb": peak,
        "right": round(right, 3),
    }


def _seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return round(min(times), 3)


def main() -> None:
    """Print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--huge", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    result = measure(options.repeats)
    if options.huge:
        result["huge"] = measure_huge()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
