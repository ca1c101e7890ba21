"""Tiny models with known answers, as folders in each format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.inference import cards, export, heads
from engine.inference.cards import DataSource, InputSpec, ModelCard

HEIGHT, WIDTH, CLASSES = 24, 32, ("round", "square", "star")


class TinyNet(nn.Module):
    """Two convolutions, global average pooling, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 12, 3, stride=2, padding=1),
            nn.Hardswish(),
        )
        self.head = nn.Linear(12, len(CLASSES))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) -> logits (N, K), features (N, 12, H/4, W/4)."""
        features = self.body(image)
        return {"logits": self.head(features.mean(dim=(2, 3))), "features": features}


@pytest.fixture(scope="session")
def tiny_net() -> TinyNet:
    """Return a network with fixed random weights; do not change it."""
    state = torch.random.get_rng_state()
    torch.manual_seed(7)
    net = TinyNet().eval().requires_grad_(requires_grad=False)
    torch.random.set_rng_state(state)
    return net


@pytest.fixture
def batch() -> np.ndarray:
    """Return five normalised inputs."""
    shape = (5, 3, HEIGHT, WIDTH)
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


@pytest.fixture
def card() -> ModelCard:
    """Return a complete card without files."""
    return ModelCard(
        name="shapes",
        version="1.0",
        task="classification",
        architecture="tiny",
        format="openvino",
        input=InputSpec(height=HEIGHT, width=WIDTH, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5)),
        classes=CLASSES,
        outputs={"logits": "logits", "features": "features"},
        licence="MIT",
        source="made for tests",
        data=(DataSource(name="noise", source="here", licence="MIT", images=5, groups=2),),
        split="none",
        created="2026-11-20",
    )


@pytest.fixture(scope="session")
def exported(tiny_net: TinyNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the network as OpenVINO IR and its head; without a card."""
    folder = tmp_path_factory.mktemp("exported")
    example = np.random.default_rng(1).normal(size=(2, 3, HEIGHT, WIDTH)).astype(np.float32)
    export.export_openvino(tiny_net, example, folder, outputs=["logits", "features"])
    head = heads.LinearHead(
        weights=tiny_net.head.weight.numpy().copy(), bias=tiny_net.head.bias.numpy().copy()
    )
    heads.save_head(folder / "head.safetensors", head)
    return folder


@pytest.fixture
def openvino_folder(exported: Path, tmp_path: Path, card: ModelCard) -> Path:
    """Return a complete OpenVINO model folder that a test may damage."""
    folder = tmp_path / "openvino"
    folder.mkdir()
    for path in exported.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    head = cards.HeadWeights(weights_file="head.safetensors")
    cards.write(folder, replace(card, head=head))
    return folder


@pytest.fixture
def safetensors_folder(tiny_net: TinyNet, tmp_path: Path, card: ModelCard) -> Path:
    """Return the same model as safetensors."""
    folder = tmp_path / "safetensors"
    folder.mkdir()
    save_file(tiny_net.state_dict(), folder / "weights.safetensors")
    cards.write(folder, replace(card, format="safetensors"))
    return folder


@pytest.fixture
def onnx_folder(tmp_path: Path, card: ModelCard) -> Path:
    """Return an ONNX model: logits = mean over the picture of each channel."""
    folder = tmp_path / "onnx"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(pooling_onnx())
    cards.write(folder, replace(card, format="onnx", outputs={"logits": "logits"}))
    return folder


@pytest.fixture
def architectures() -> dict[str, Callable[[], object]]:
    """Return what the caller of a safetensors model must give."""
    return {"tiny": TinyNet}


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _field(number: int, value: int | bytes | str) -> bytes:
    """Return one protobuf field: a varint, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _value_info(name: str, shape: list[int | str]) -> bytes:
    dims = b"".join(
        _field(1, _field(2, side) if isinstance(side, str) else _field(1, side)) for side in shape
    )
    tensor = _field(1, 1) + _field(2, dims)  # elem_type FLOAT, shape
    return _field(1, name) + _field(2, _field(1, tensor))


def pooling_onnx() -> bytes:
    """Return ONNX bytes written by hand: GlobalAveragePool then Flatten, (N, 3, H, W) -> (N, 3).

    Field numbers are those of onnx.proto: NodeProto input 1, output 2, op_type 4; GraphProto
    node 1, name 2, input 11, output 12; ModelProto ir_version 1, graph 7, opset_import 8.
    """
    pool = _field(1, "image") + _field(2, "pooled") + _field(4, "GlobalAveragePool")
    flat = _field(1, "pooled") + _field(2, "logits") + _field(4, "Flatten")
    graph = (
        _field(1, pool)
        + _field(1, flat)
        + _field(2, "shapes")
        + _field(11, _value_info("image", ["N", 3, HEIGHT, WIDTH]))
        + _field(12, _value_info("logits", ["N", 3]))
    )
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))
