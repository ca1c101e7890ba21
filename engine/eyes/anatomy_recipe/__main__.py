"""Make the anatomy network anew: ``python -m engine.eyes.anatomy_recipe --out DIR``.

Renders and trains for the given minutes, exports OpenVINO files, measures them and writes the
card. Interrupted, it goes on where it was when started with the same ``--checkpoint``.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from engine.eyes.anatomy import AnatomyReader
from engine.eyes.anatomy_recipe.measuring import (
    marked_photographs,
    measure_photographs,
    measure_rendered,
)
from engine.eyes.anatomy_recipe.network import OUTPUTS, AnatomyNet
from engine.eyes.anatomy_recipe.samples import make_sample
from engine.eyes.anatomy_recipe.training import MEAN, STD, Plan, normalised, train
from engine.eyes.anatomy_view import VIEW_HEIGHT, VIEW_WIDTH
from engine.inference import cards
from engine.inference.cards import DataSource, InputSpec, ModelCard
from engine.inference.export import export_openvino

_VERSION: Final = "1.0"
_LIMITS: Final = (
    "Trained on drawings only; figures on rendered pictures say nothing about photographs.",
    "No photograph was trained on, but the weights by which the form of the iris counts for the "
    "confidence (engine.eyes.anatomy) were set by hand with the measured photographs in view.",
    "The photographs' corners were marked by eye; marks of two readers differ by 0.09 eye widths "
    "(median of 21), as much as the network differs from either.",
    "Corners outside of the picture are reckoned from the iris, not seen.",
    "A pupil as bright as its iris, or under a large reflection, may be read as iris.",
    "Strongly swollen, closed or bandaged eyes may be read as no eye.",
)


def main() -> None:
    """Read the command line, train, export, measure."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan = Plan(minutes=options.minutes, seed=options.seed, threads=options.threads)
    net = train(plan, checkpoint=options.checkpoint)
    card = export(net, options.out, minutes=options.minutes)
    reader = AnatomyReader.open(options.out)
    metrics: dict[str, object] = {"rendered": measure_rendered(reader, count=options.count)}
    if options.photographs is not None and options.marks is not None:
        real = marked_photographs(options.photographs, options.marks)
        metrics["photographs"] = measure_photographs(reader, real)
    cards.write(options.out, dataclasses.replace(card, metrics=metrics))
    logging.getLogger(__name__).info("%s", metrics)


def export(net: AnatomyNet, folder: Path, *, minutes: float) -> ModelCard:
    """Write the network's files and a card without metrics; return the card."""
    probes = [make_sample(np.random.default_rng((8, k))) for k in range(4)]
    example = np.stack([normalised(sample.pixels) for sample in probes])
    export_openvino(net, example, folder, outputs=OUTPUTS, fp16_weights=True)
    card = ModelCard(
        name="Lightbox eye anatomy",
        version=_VERSION,
        task="segmentation of sclera, iris and pupil, corners of the lids, presence of an eye",
        architecture="anatomy_net",
        format="openvino",
        input=InputSpec(height=VIEW_HEIGHT, width=VIEW_WIDTH, mean=MEAN, std=STD),
        classes=("other", "sclera", "iris", "pupil"),
        outputs={name: name for name in OUTPUTS},
        licence="MIT",
        source="engine.eyes.anatomy_recipe of this repository",
        data=(
            DataSource(
                name="rendered eyes and look-alikes, drawn while training",
                source="engine.eyes.rendered of this repository",
                licence="MIT",
                images=0,
                groups=0,
            ),
        ),
        split="measured on rendered pictures of other seeds; no photograph was trained on",
        created=datetime.now(UTC).replace(microsecond=0).isoformat(),
        limits=_LIMITS,
        details={"training_minutes": minutes},
    )
    return cards.write(folder, card)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engine.eyes.anatomy_recipe")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--minutes", type=float, default=60.0, help="time for training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--count", type=int, default=100, help="held-out eyes of each condition")
    parser.add_argument("--checkpoint", type=Path, help="file to resume from and write to")
    parser.add_argument("--photographs", type=Path, help="folder with labels.csv, only measured")
    parser.add_argument("--marks", type=Path, help="JSON: file name to x0, y0, x1, y1 of corners")
    return parser.parse_args()


if __name__ == "__main__":
    main()
