"""A real model folder whose answer is known: it tells dark pixels from bright ones.

The network is one 1×1 convolution written by hand, saved as OpenVINO files with a card like a
trained one. With two classes a pixel whose mean is below 128 is the second; with three, below 85
is the second and above 170 the third, between them it is the background.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.inference import cards
from engine.inference.cards import DataSource, FreeSizeSpec, ModelCard
from engine.inference.openvino_library import load_openvino

__all__ = ["dark_squares", "true_mask", "write_threshold_model"]

_SLOPE = 60.0


def write_threshold_model(
    folder: Path,
    *,
    classes: tuple[str, ...] = ("background", "nucleus"),
    name: str = "threshold",
    tile_px: int = 64,
    task: str = "segmentation",
    details: Mapping[str, object] | None = None,
) -> ModelCard:
    """Write the model for two or three ``classes`` into ``folder``; return its card.

    Files that lie in the folder already are listed in the card; ``details`` are added to it.
    """
    assert len(classes) in (2, 3)
    folder.mkdir(parents=True, exist_ok=True)
    _write_network(folder, len(classes))
    return cards.write(
        folder,
        ModelCard(
            name=name,
            version="1",
            task=task,
            architecture="threshold",
            format="openvino",
            input=FreeSizeSpec(
                side_multiple=8, normalised_by="engine.segmentation.normalising.normalise"
            ),
            classes=classes,
            outputs={"logits": "logits"},
            licence="CC0-1.0",
            source="written by hand for tests",
            data=(DataSource(name="none", source="none", licence="CC0-1.0", images=0, groups=0),),
            split="none",
            created="2026-01-01T00:00:00+00:00",
            details={
                "normalisation": {"kind": "fixed", "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
                "tile_px": tile_px,
                "overlap": 0.25,
                **(details or {}),
            },
        ),
    )


def dark_squares(
    height: int = 120, width: int = 160, *, side: int = 20, squares: int = 2
) -> NDArray[np.uint8]:
    """Return a bright picture ``(H, W, 3)`` with dark squares at (10, 10), (50, 10), (90, 10)."""
    picture = np.full((height, width, 3), 220, np.uint8)
    for number in range(squares):
        left = 10 + 40 * number
        picture[10 : 10 + side, left : left + side] = (40, 20, 60)
    return picture


def true_mask(picture: NDArray[np.uint8], classes: int = 2) -> NDArray[np.uint8]:
    """Return what the model must answer, by the definition above."""
    mean = picture.astype(np.float64).mean(axis=2)
    if classes == 2:
        return np.asarray(mean < 127.5, np.uint8)
    return np.asarray(np.where(mean < 85, 1, np.where(mean > 170, 2, 0)), np.uint8)


def _write_network(folder: Path, classes: int) -> None:
    openvino = load_openvino()
    operators = openvino.opset13
    rows = {2: (0.0, -1.0), 3: (0.0, -1.0, 1.0)}[classes]
    offsets = {2: (0.0, 0.5), 3: (0.0, 1 / 3, -2 / 3)}[classes]
    weights = np.array(rows, np.float32)[:, None, None, None] * np.ones((1, 3, 1, 1), np.float32)
    bias = _SLOPE * np.array(offsets, np.float32)[None, :, None, None]
    image = operators.parameter(openvino.PartialShape([-1, 3, -1, -1]), np.float32, name="image")
    wide = operators.convolution(
        image, operators.constant(weights * _SLOPE / 3), [1, 1], [0, 0], [0, 0], [1, 1]
    )
    logits = operators.add(wide, operators.constant(bias))
    network = openvino.Model([logits], [image], "threshold")
    network.inputs[0].get_tensor().set_names({"image"})
    network.outputs[0].get_tensor().set_names({"logits"})
    openvino.save_model(network, str(folder / "model.xml"), compress_to_fp16=False)
