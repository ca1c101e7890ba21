"""A small network with fixed weights as a model folder, which knows dark, middle and bright."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CLASSES = ("background", "unhealthy", "healthy")


def make_card(**changes: Any) -> Any:
    """Return the card of a model that segments, with ``changes``."""
    from engine.inference.cards import DataSource, FreeSizeSpec, ModelCard

    values: dict[str, Any] = {
        "name": "made",
        "version": "1.0",
        "task": "segmentation",
        "architecture": "made",
        "format": "openvino",
        "input": FreeSizeSpec(
            side_multiple=4,
            normalised_by="engine.segmentation.normalising.normalise",
            largest_side=1024,
        ),
        "classes": CLASSES,
        "outputs": {"logits": "logits"},
        "licence": "MIT",
        "source": "made for tests",
        "data": (DataSource(name="none", source="here", licence="MIT", images=0, groups=0),),
        "split": "none",
        "created": "2026-11-20",
        "temperature": 2.0,
        "details": {
            "normalisation": {"kind": "fixed", "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
            "tile_px": 64,
            "overlap": 0.25,
        },
    }
    return ModelCard(**{**values, **changes})


def make_network() -> Any:
    """Return a torch module with two convolutions, one pooling and fixed random weights."""
    import torch
    from torch import nn

    state = torch.random.get_rng_state()
    torch.manual_seed(3)
    last = nn.Conv2d(8, 3, 1)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        last,
    ).eval()
    torch.random.set_rng_state(state)
    with torch.no_grad():
        last.weight *= 8
    return net.requires_grad_(requires_grad=False)


@pytest.fixture(scope="session")
def network() -> Any:
    """Return the torch module of ``model_folder``; do not change it."""
    return make_network()


@pytest.fixture(scope="session")
def model_folder(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model folder with that network; do not change it."""
    import torch

    from engine.inference import cards, export

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("made")
    example = np.random.default_rng(0).random((1, 3, 16, 16), np.float32)
    export.export_openvino(network, example, folder, outputs=["logits"], dynamic_sides=True)
    cards.write(folder, make_card())
    return folder


@pytest.fixture
def folder_with(model_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies the model folder with a changed card."""
    import shutil

    from engine.inference import cards

    def copy(**changes: Any) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(model_folder, folder)
        cards.write(folder, make_card(**changes))
        return folder

    return copy
