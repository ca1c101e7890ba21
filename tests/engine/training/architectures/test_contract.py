"""One contract for all networks: shapes, gradients, weights that come back, the card's layer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.errors import MissingBackendError, RequestError
from engine.training.architectures import ARCHITECTURES, architecture_named, build
from engine.training.checkpoints import load_weights, save_weights
from engine.training.memory import measured_size, size_of
from engine.training.quiet import torch_quiet

NAMES = tuple(ARCHITECTURES)
SMALL = {
    "unet": {"widths": (4, 6, 8, 8, 8)},
    "attention_unet": {"channels": (4, 6, 8, 8, 8)},
}


def built(name: str, classes: int = 3) -> torch.nn.Module:
    """Return a small form where there is one."""
    torch.manual_seed(0)
    with torch_quiet():
        return build(name, classes, SMALL.get(name))


@pytest.mark.parametrize("name", NAMES)
def test_logits_have_the_size_of_the_picture(name: str) -> None:
    """Sides of an odd and an even number of multiples come back as they went in."""
    multiple = architecture_named(name).side_multiple
    picture = torch.zeros(2, 3, multiple, 3 * multiple)
    with torch.no_grad():
        assert built(name).eval()(picture).shape == (2, 3, multiple, 3 * multiple)


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_learns(name: str) -> None:
    """A loss on the answer reaches all parameters."""
    network = built(name)
    side = 2 * architecture_named(name).side_multiple
    network(torch.randn(2, 3, side, side)).square().mean().backward()
    silent = [n for n, one in network.named_parameters() if one.grad is None]
    assert silent == []


@pytest.mark.parametrize("name", NAMES)
def test_saved_weights_give_the_same_answer(name: str, tmp_path: Path) -> None:
    """A fresh network with weights from a file answers to the last bit as the saved one."""
    first, second = built(name).eval(), build(name, 3, SMALL.get(name)).eval()
    save_weights(tmp_path / "w.safetensors", first.state_dict())
    second.load_state_dict(load_weights(tmp_path / "w.safetensors"))
    side = architecture_named(name).side_multiple
    picture = torch.randn(1, 3, side, side)
    with torch.no_grad():
        assert torch.equal(first(picture), second(picture))


@pytest.mark.parametrize("name", NAMES)
def test_the_layer_for_heat_maps_exists(name: str) -> None:
    """The table names a module of the network."""
    assert architecture_named(name).heat_layer in dict(build(name, 2).named_modules())


@pytest.mark.parametrize("name", NAMES)
def test_the_table_of_sizes_is_that_of_the_networks(name: str) -> None:
    """Memory is forecast from numbers that the networks themselves confirm."""
    options = architecture_named(name).options
    assert size_of(name, options) == measured_size(name, options)


def test_the_wide_form_is_in_the_table_too() -> None:
    """The plan's wider U-Net has its own line."""
    options = {"widths": (24, 48, 96, 128, 192)}
    assert size_of("unet", options) == measured_size("unet", options)


def test_an_unknown_name_lists_all() -> None:
    """Somebody who mistypes learns what there is."""
    with pytest.raises(RequestError, match="no network 'unett'; choose one of unet,"):
        build("unett", 2)


def test_one_class_is_refused() -> None:
    """There is nothing to tell apart with one class."""
    with pytest.raises(RequestError, match="at least two classes"):
        build("unet", 1)


def test_an_unknown_option_is_refused() -> None:
    """The message has what the network takes."""
    with pytest.raises(RequestError, match="takes widths"):
        build("unet", 2, {"depth": 3})


def test_pretrained_weights_without_a_network_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline, a wish for pretrained weights ends in a sentence."""
    import segmentation_models_pytorch as smp

    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(smp, "Unet", offline)
    with pytest.raises(MissingBackendError, match="cannot be fetched"):
        build("unet_resnet18", 2, {"pretrained": True})
