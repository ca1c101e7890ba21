"""What is exported answers like the torch module, or is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.errors import InputError, ModelError
from engine.inference import cards, export, heads, runtimes
from engine.inference.cards import ModelCard, VolumeSpec
from tests.engine.inference.conftest import TinyNet


class Pair(nn.Module):
    """Answers with a tuple."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) -> (N, 3), (N, 3, H, W)."""
        return image.mean(dim=(2, 3)), image * 2


def test_the_export_holds_no_path_and_no_leftover(exported: Path) -> None:
    """Only the two files appear, and they say nothing about the machine they were made on."""
    names = {path.name for path in exported.iterdir()}
    assert names == {"model.xml", "model.bin", "head.safetensors"}
    text = (exported / "model.xml").read_text()
    assert str(exported) not in text
    assert "/home/" not in text
    assert "site-packages" not in text


def test_half_precision_weights_take_half_the_space(
    tiny_net: TinyNet, exported: Path, tmp_path: Path, batch: np.ndarray
) -> None:
    """FP16 weights are smaller and still answer alike."""
    export.export_openvino(
        tiny_net, batch, tmp_path, outputs=["logits", "features"], fp16_weights=True
    )
    assert (tmp_path / "model.bin").stat().st_size < (exported / "model.bin").stat().st_size


def test_tuples_are_named_in_order(tmp_path: Path, card: ModelCard, batch: np.ndarray) -> None:
    """The given names belong to a tuple's items in order, other file and input names included."""
    names = export.export_openvino(
        Pair(), batch, tmp_path, outputs=["means", "doubled"], input_name="x", file_name="pair"
    )
    assert names == ("pair.xml", "pair.bin")
    cards.write(tmp_path, replace(card, outputs={"logits": "means", "double": "doubled"}))
    _, runtime = runtimes.open_model(tmp_path, precision="f32")
    np.testing.assert_allclose(runtime.run(batch)["double"], batch * 2, atol=1e-6)


def test_a_fixed_batch_size_can_be_asked_for(tmp_path: Path, batch: np.ndarray) -> None:
    """Without dynamic_batch the example's size is written."""
    export.export_openvino(
        Pair(), batch, tmp_path, outputs=["means", "doubled"], dynamic_batch=False
    )
    assert 'shape="5,3,24,32"' in (tmp_path / "model.xml").read_text()


def test_the_module_keeps_its_mode(tmp_path: Path, batch: np.ndarray) -> None:
    """A module in training mode is exported in evaluation mode and stays in training mode."""
    net = TinyNet().train()
    running = net.body[1].running_mean.clone()
    export.export_openvino(net, batch, tmp_path, outputs=["logits", "features"])
    assert net.training
    assert torch.equal(net.body[1].running_mean, running)


class Sign(nn.Module):
    """Branches on a value, which tracing freezes."""

    def forward(self, image: Tensor) -> Tensor:
        """Return the picture when it is bright, else its negative."""
        return image if image.mean() > 0 else -image


def test_a_frozen_branch_that_matters_is_noticed(
    tmp_path: Path, batch: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export that answers differently from torch is refused."""
    converted = export._converted

    def other(openvino: object, module: nn.Module, example: Tensor, outputs: list[str]) -> object:
        return converted(openvino, module, -example.abs(), outputs)

    monkeypatch.setattr(export, "_converted", other)
    with pytest.raises(ModelError, match="'picture' differs from torch by"):
        export.export_openvino(Sign(), np.abs(batch), tmp_path, outputs=["picture"])


class Odd(nn.Module):
    """Uses an operation that no converter knows."""

    def forward(self, image: Tensor) -> Tensor:
        """Return singular values."""
        return torch.linalg.svdvals(image)


def test_what_cannot_be_converted_is_explained(tmp_path: Path, batch: np.ndarray) -> None:
    """The converter's reason is passed on, and no file is left."""
    with pytest.raises(ModelError, match="OpenVINO cannot convert Odd"):
        export.export_openvino(Odd(), batch, tmp_path, outputs=["values"])
    assert list(tmp_path.iterdir()) == []


def test_names_must_fit_the_outputs(tmp_path: Path, tiny_net: TinyNet, batch: np.ndarray) -> None:
    """Too few names for a tuple, or unknown ones for a mapping, are refused."""
    with pytest.raises(InputError, match="returns 2 outputs, but 1 names"):
        export.export_openvino(Pair(), batch, tmp_path, outputs=["means"])
    with pytest.raises(InputError, match=r"but not \['scores'\]"):
        export.export_openvino(tiny_net, batch, tmp_path, outputs=["scores"])


def test_the_example_is_a_float_batch(tmp_path: Path) -> None:
    """A picture that was not prepared is refused."""
    with pytest.raises(InputError, match=r"example \(N, C, H, W\) float32"):
        export.export_openvino(Pair(), np.zeros((3, 4, 4), np.float32), tmp_path, outputs=["a"])


def test_the_head_comes_back(openvino_folder: Path, tiny_net: TinyNet) -> None:
    """Weights and bias of the last layer are read without torch, equal to the module's."""
    head = heads.load_head(openvino_folder, cards.load(openvino_folder))
    assert head is not None
    np.testing.assert_array_equal(head.weights, tiny_net.head.weight.numpy())
    np.testing.assert_array_equal(head.bias, tiny_net.head.bias.numpy())


def test_features_and_head_give_the_logits(openvino_folder: Path, batch: np.ndarray) -> None:
    """Pooling the runtime's features and applying the head is the runtime's logits."""
    card, runtime = runtimes.open_model(openvino_folder, precision="f32")
    head = heads.load_head(openvino_folder, card)
    assert head is not None
    answer = runtime.run(batch)
    pooled = answer["features"].mean(axis=(2, 3))
    np.testing.assert_allclose(pooled @ head.weights.T + head.bias, answer["logits"], atol=1e-5)


def test_a_card_without_head_has_none(openvino_folder: Path, card: ModelCard) -> None:
    """Not every model has a linear head."""
    assert heads.load_head(openvino_folder, card) is None


def test_wrong_heads_are_refused(openvino_folder: Path, card: ModelCard) -> None:
    """A missing key, other class counts, and damaged bytes are each explained."""
    entry = cards.HeadWeights(weights_file="head.safetensors", weights_key="fc.weight")
    with pytest.raises(ModelError, match=r"should hold 'fc.weight', but it holds"):
        heads.load_head(openvino_folder, replace(card, head=entry))
    entry = cards.HeadWeights(weights_file="head.safetensors")
    with pytest.raises(ModelError, match="answers 3 classes, but its card names 2"):
        heads.load_head(openvino_folder, replace(card, head=entry, classes=("a", "b")))
    (openvino_folder / "head.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="cannot be read"):
        heads.load_head(openvino_folder, replace(card, head=entry))


@pytest.mark.parametrize(
    ("weights", "bias", "message"),
    [
        (np.ones((2, 3)), np.ones(2, np.float32), "in float32"),
        (np.ones(3, np.float32), np.ones(2, np.float32), r"weights \(K, C\)"),
        (np.ones((2, 3), np.float32), np.ones(3, np.float32), "as many biases"),
        (np.full((2, 3), np.nan, np.float32), np.ones(2, np.float32), "finite weights"),
    ],
)
def test_a_head_is_checked(weights: np.ndarray, bias: np.ndarray, message: str) -> None:
    """Shapes, types and values of a head are checked when it is made."""
    with pytest.raises(ModelError, match=message):
        heads.LinearHead(weights=weights, bias=bias)


class Halving(nn.Module):
    """Halves a volume and doubles it again, as U-shaped networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv3d(1, 2, 3, stride=2, padding=1)

    def forward(self, volume: Tensor) -> Tensor:
        """(N, 1, I, J, K) -> (N, 2, I, J, K)."""
        return nn.functional.interpolate(self.down(volume), scale_factor=2.0)


def test_a_volume_network_keeps_its_sides_free(tmp_path: Path, card: ModelCard) -> None:
    """A volume of other sides than the example's is answered as torch does, others are refused."""
    random = np.random.default_rng(0)
    example = random.normal(size=(1, 1, 8, 8, 8)).astype(np.float32)
    net = Halving()
    export.export_openvino(net, example, tmp_path, outputs=["logits"], dynamic_sides=True)
    spec = VolumeSpec(grid_mm=4.0, side_multiple=2, normalised_by="here.there")
    cards.write(tmp_path, replace(card, input=spec, outputs={"logits": "logits"}))
    _, runtime = runtimes.open_model(tmp_path, precision="f32")
    other = random.normal(size=(2, 1, 4, 6, 10)).astype(np.float32)
    with torch.no_grad():
        wanted = net(torch.tensor(other)).numpy()
    np.testing.assert_allclose(runtime.run(other)["logits"], wanted, atol=1e-4)
    with pytest.raises(InputError, match="multiples of 2 up to 512"):
        runtime.run(other[:, :, :3])
