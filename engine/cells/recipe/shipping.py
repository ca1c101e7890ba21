"""From a trained network to the folder that ships: OpenVINO files, card with figures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from engine.cells.names import CLASSES
from engine.cells.network.layout import SIDE_MULTIPLE_PX, normalised
from engine.cells.recipe.architecture import CellNetwork
from engine.cells.recipe.samples import Sample
from engine.inference import cards
from engine.inference.cards import DataSource, FreeSizeSpec, ModelCard
from engine.inference.export import export_openvino

__all__ = ["LIMITS", "VERSION", "ship"]

VERSION: Final = "1.0"
LIMITS: Final = (
    "Kinds of white blood cells are not told apart: no labels for them were at hand.",
    "Trained on photographs of one laboratory (one microscope, one stain) and on drawings; other "
    "stains and cameras were imitated, not photographed.",
    "Red cells in dense heaps are counted too low; cells cut by the border are found less often.",
    "Parasites, blasts, and other cells that are neither of the three classes get one of them or "
    "none.",
    "Not a medical device; nothing here supports a clinical decision.",
)


class _Answering(nn.Module):
    """The network with its heat as probabilities."""

    def __init__(self, network: CellNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, sides = self.network(x)
        return torch.sigmoid(logits), sides


def ship(
    network: CellNetwork,
    folder: Path,
    *,
    photographs: Sequence[Sample],
    groups: int,
    drawings: int,
    metrics: dict[str, object],
    thresholds: dict[str, float],
    steps: int,
) -> ModelCard:
    """Write the network and its card into ``folder``; return the card."""
    picture = photographs[0].picture
    sides = [n // SIDE_MULTIPLE_PX * SIDE_MULTIPLE_PX for n in picture.shape[:2]]
    example = normalised(np.ascontiguousarray(picture[: sides[0], : sides[1]]))[None]
    export_openvino(
        _Answering(network).eval(),
        example,
        folder,
        outputs=("heat", "sides"),
        dynamic_sides=True,
        fp16_weights=True,
    )
    card = ModelCard(
        name="Lightbox cell finder",
        version=VERSION,
        task="boxes of white blood cells, red blood cells and platelets in smears",
        architecture="cell_net",
        format="openvino",
        input=FreeSizeSpec(
            side_multiple=SIDE_MULTIPLE_PX, normalised_by="engine.cells.network.layout.normalised"
        ),
        classes=CLASSES,
        outputs={"heat": "heat", "sides": "sides"},
        licence="MIT",
        source="engine.cells.recipe of this repository",
        data=(
            DataSource(
                name="BCCD, with the complete re-labelling of TXL-PBC for 124 of the training "
                "pictures (fewer after those that share a field with the held-back ones are gone)",
                source="Shenggan/BCCD_Dataset@d272fb1; lugan113/TXL-PBC_Dataset@056d09e",
                licence="MIT (images and VOC labels); MIT (re-labels)",
                images=len(photographs),
                groups=groups,
            ),
            DataSource(
                name="Drawn smears",
                source="engine.cells.recipe.smears of this repository",
                licence="MIT",
                images=drawings,
                groups=drawings,
            ),
        ),
        split="BCCD's own validation pictures with complete labels; training pictures that show "
        "the same field of view as one of them were left out",
        created=datetime.now(UTC).replace(microsecond=0).isoformat(),
        metrics=metrics,
        limits=LIMITS,
        details={"steps": steps, "thresholds": thresholds},
    )
    return cards.write(folder, card)
