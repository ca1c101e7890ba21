"""How long a stroke takes on the server, from its arrival to the picture that is sent back.

``python -m benchmarks.annotation [--side 4000] [--regions 300] [--strokes 30]``: a picture with so
many regions drawn one by one; then strokes of a wide brush across it. Each is written to the
journal with fsync, drawn at full resolution, and the view of 640 pixels is made anew; undo is the
same without the brush. Every mask is compared with one that is drawn anew from the journal.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from engine.annotation.raster import Box
from engine.annotation.strokes import Stroke, on_grid
from engine.imaging import pictures
from engine.people.actors import SYSTEM
from engine.settings import Settings
from engine.store.records import Image
from engine.workbench import Workbench

COLOURS = {0: (0, 114, 178), 1: (213, 94, 0), 2: (0, 158, 115)}


def main() -> None:
    """Measure and print one line of JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--side", type=int, default=4000)
    options.add_argument("--regions", type=int, default=300)
    options.add_argument("--strokes", type=int, default=30)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), asked.side, asked.regions, asked.strokes)))


def measure(folder: Path, side: int, regions: int, strokes: int) -> dict[str, object]:
    """Return the times in ms of strokes and undos, and whether the mask is right."""
    bench = Workbench(Settings(home=folder / "home"))
    put_picture(bench, side)
    annotation = bench.annotation
    annotation.take("p", SYSTEM, "t", is_open=lambda _: True)
    random = np.random.default_rng(0)
    for number in range(regions):
        annotation.draw("p", SYSTEM, [region(random, side, number)], tab="t")
    view(bench, side)
    drawn, undone = [], []
    for number in range(strokes):
        stroke = wide_stroke(random, side, number)
        start = time.perf_counter()
        annotation.draw("p", SYSTEM, [stroke], tab="t")
        view(bench, side)
        drawn.append(time.perf_counter() - start)
        start = time.perf_counter()
        annotation.undo("p", SYSTEM, tab="t")
        view(bench, side)
        undone.append(time.perf_counter() - start)
        annotation.redo("p", SYSTEM, tab="t")
    fresh = Workbench(bench.settings).annotation.mask("p", SYSTEM)
    return {
        "side_px": side,
        "regions": regions,
        "stroke_ms": spread(drawn),
        "undo_ms": spread(undone),
        "mask_equals_one_drawn_anew": bool((annotation.mask("p", SYSTEM) == fresh).all()),
    }


def put_picture(bench: Workbench, side: int) -> None:
    """Store a drawn picture of ``side × side``."""
    random = np.random.default_rng(1)
    small = random.integers(90, 240, (side // 40, side // 40, 3), np.uint8)
    picture = np.kron(small, np.ones((40, 40, 1), np.uint8))
    kept = bench.files.put(pictures.encode_png(picture), media_type="image/png")
    image = Image(
        id="p",
        name="p.png",
        sha256=kept.sha256,
        media_type="image/png",
        width_px=picture.shape[1],
        height_px=picture.shape[0],
    )
    with bench.store.images.transaction() as images:
        images.put(image)


def region(random: np.random.Generator, side: int, number: int) -> Stroke:
    """Return an outline of sixty corners somewhere."""
    middle, angle = random.uniform(0, side, 2), np.linspace(0, 2 * np.pi, 60, endpoint=False)
    reach = random.uniform(side / 80, side / 20) * random.uniform(0.8, 1.2, 60)
    corners = middle + np.stack([np.cos(angle) * reach, np.sin(angle) * reach], axis=1)
    return Stroke(tool="polygon", state=number % 3, points=on_grid(corners))


def wide_stroke(random: np.random.Generator, side: int, number: int) -> Stroke:
    """Return a brush of 60 pixels along four hundred places, over a third of the picture."""
    steps = random.normal(0, side / 400, (400, 2)) + random.normal(0, side / 1000, 2)
    path = random.uniform(side / 4, 3 * side / 4, 2) + np.cumsum(steps, axis=0)
    return Stroke(tool="brush", state=number % 3, points=on_grid(path), width_px=60)


def view(bench: Workbench, side: int) -> bytes:
    """Return what the page would show of the whole picture."""
    side -= side % 40
    box = Box(left=0, top=0, right=side, bottom=side)
    return bench.annotation.view(
        "p", SYSTEM, box, width=640, height=640, colours=COLOURS, opacity=0.45
    )


def spread(seconds: list[float]) -> dict[str, float]:
    """Return median, 95th percentile and the longest, in ms."""
    names = {"median": 50, "p95": 95, "longest": 100}
    return {name: round(1000 * float(np.percentile(seconds, at)), 1) for name, at in names.items()}


if __name__ == "__main__":
    main()
