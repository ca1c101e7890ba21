"""Weights that make the real TotalSegmentator read labels from grey values: exact, no training.

The network hands each voxel's grey value ``x`` through to its last layer, whose logits are
``2 m x - m²`` for a class with the grey value ``m``: the largest is that of the nearest ``m``,
since ``(x - m)² = x² - (2 m x - m²)``. So a CT that is drawn in these grey values has to come back
as exactly its labels, in whatever axis order it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.engine.spine.tiny_weights import class_names, model_folder, write_weights

__all__ = ["drawn_in_greys", "grey_values", "write_grey_weights"]

_SHIFT = 6.0  # makes every normalised value positive: the activation then lets it through
_NEVER = -1000.0
_MEAN_HU, _STD_HU = 200.0, 250.0  # as tiny_weights writes them into the plans


def grey_values(codes: list[int]) -> dict[int, float]:
    """Return HU for the background (0) and some codes, far enough apart for half precision."""
    levels = np.linspace(-1000.0, 1000.0, len(codes) + 1)
    return dict(zip([0, *codes], levels.tolist(), strict=True))


def drawn_in_greys(labels: NDArray[np.uint8], greys: Mapping[int, float]) -> NDArray[np.float32]:
    """Return a CT whose grey values say the labels."""
    table = np.zeros(256, np.float32)
    for code, value in greys.items():
        table[code] = value
    return table[labels]


def write_grey_weights(home: Path, task_id: int, greys: Mapping[int, float]) -> Path:
    """Write weights of a model that finds the codes in ``greys`` by their grey value."""
    import torch
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    write_weights(home, [task_id])
    folder = model_folder(home, task_id)
    path = folder / "fold_0" / "checkpoint_final.pth"
    checkpoint: dict[str, Any] = torch.load(path, weights_only=False)
    plans = checkpoint["init_args"]["plans"]
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    architecture["arch_kwargs"] |= {"norm_op": None, "norm_op_kwargs": {}}
    (folder / "plans.json").write_text(json.dumps(plans))
    heads = len(class_names(task_id)) + 1
    network = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        1,
        heads,
        deep_supervision=True,
    )
    weights = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    for name, value in weights.items():
        if name.endswith("weight") and value.shape[:2] == (4, 1):  # the first convolution
            value[0, 0, 1, 1, 1] = 1.0
        elif name.endswith("weight") and value.shape[:2] == (4, 8) and value.shape[-1] == 3:
            value[0, 4, 1, 1, 1] = 1.0  # channels: four from below, then four of the first stage
        elif name.endswith("weight") and value.shape[:2] == (heads, 4):
            for code, grey in greys.items():
                value[code, 0] = 2 * _normalised(grey)
        elif name.endswith("bias") and value.shape == (heads,):
            value[:] = _NEVER
            for code, grey in greys.items():
                value[code] = -(_normalised(grey) ** 2)
        elif name.endswith("bias") and "encoder.stages.0" in name:
            value[0] = _SHIFT
    checkpoint["network_weights"] = weights
    torch.save(checkpoint, path)
    return home


def _normalised(grey: float) -> float:
    return (grey - _MEAN_HU) / _STD_HU + _SHIFT
