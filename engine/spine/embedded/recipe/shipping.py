"""From a trained network to the folder that ships: OpenVINO files with half-size weights, card."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from engine.inference import cards
from engine.inference.cards import DataSource, ModelCard, VolumeSpec
from engine.inference.export import export_openvino
from engine.spine.embedded.recipe.measuring import padded
from engine.spine.embedded.recipe.network import OUTPUTS, Answering
from engine.spine.embedded.recipe.scenes import draw_scene
from engine.spine.embedded.recipe.training import State
from engine.spine.embedded.targets import CLASSES, GRID_MM, SIDE_MULTIPLE, normalised

__all__ = ["LIMITS", "VERSION", "ship"]

VERSION: Final = "1.0"

LIMITS: Final = (
    "Trained on drawings only: no CT of a person took part in training. Figures on drawings are an "
    "upper bound at best and say nothing about real CTs.",
    "The few real CTs that it was looked at with while it was made show the lumbar spine and the "
    "lowest thoracic vertebrae of adults; what is said about other parts rests on drawings.",
    "It works on voxels of 4 mm: it finds bodies and says about where they are; it does not "
    "outline them finely.",
    "Level and region are hints. Names need the count along the spine and an anchor in view.",
    "Unusual anatomy (block vertebrae, strong scoliosis, tumours that replace a body), small "
    "children and much metal may be read wrongly.",
    "Not a medical device; nothing here supports a clinical decision.",
)
_EXAMPLE_SEED: Final = (78, 0)


def ship(state: State, folder: Path, *, metrics: Mapping[str, object]) -> ModelCard:
    """Write the running mean of a network and its card into ``folder``; return the card."""
    scene = draw_scene(np.random.default_rng(_EXAMPLE_SEED))
    example = padded(normalised(scene.hu[:64, :64, :64]))
    export_openvino(
        Answering(state.mean),
        example,
        folder,
        outputs=OUTPUTS,
        input_name="volume",
        dynamic_sides=True,
        fp16_weights=True,
    )
    card = ModelCard(
        name="Lightbox spine finder",
        version=VERSION,
        task="centres of vertebral bodies, classes of bone, region and level, in CT",
        architecture="spine_net",
        format="openvino",
        input=VolumeSpec(
            grid_mm=GRID_MM,
            side_multiple=SIDE_MULTIPLE,
            normalised_by="engine.spine.embedded.targets.normalised",
        ),
        classes=CLASSES,
        outputs={name: name for name in OUTPUTS},
        licence="MIT",
        source="engine.spine.embedded.recipe of this repository",
        data=(
            DataSource(
                name="CTs of imagined patients, drawn while training",
                source="engine.spine.phantoms of this repository",
                licence="MIT",
                images=state.patient,
                groups=state.patient,
            ),
        ),
        split="measured on drawn patients of other seeds; no real CT was trained on",
        created=datetime.now(UTC).replace(microsecond=0).isoformat(),
        metrics=dict(metrics),
        limits=LIMITS,
        details={"steps": state.step, "training_minutes": round(state.seconds / 60, 1)},
    )
    return cards.write(folder, card)
