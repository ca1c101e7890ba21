"""One contract for all networks: shapes, gradients, weights that come back, the card's layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import MissingBackendError, RequestError
from engine.inference.export import export_openvino
from engine.inference.openvino_library import load_openvino
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


@pytest.mark.parametrize("more", [(), (256,)])
def test_the_wide_forms_are_in_the_table_too(more: tuple[int, ...]) -> None:
    """The plan's wider and deeper U-Nets have their own lines."""
    options = {"widths": (24, 48, 96, 128, 192, *more)}
    assert size_of("unet", options) == measured_size("unet", options)


def test_six_floors_fit_the_stated_multiple() -> None:
    """The deepest form that a plan chooses takes the sides that the table states."""
    network = build("unet", 2, {"widths": (4, 4, 4, 4, 4, 4)}).eval()
    side = architecture_named("unet").side_multiple
    with torch.no_grad():
        assert network(torch.zeros(1, 3, side, 3 * side)).shape == (1, 2, side, 3 * side)


@pytest.mark.parametrize("name", NAMES)
def test_the_least_patch_by_itself_can_be_learnt_from(name: str) -> None:
    """A batch of one patch, twice the multiple of sides, goes through normalisation in training."""
    side = 2 * architecture_named(name).side_multiple
    with torch.no_grad():
        assert built(name).train()(torch.randn(1, 3, side, side)).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_exported_files_answer_as_the_network_does(name: str, tmp_path: Path) -> None:
    """OpenVINO, read from the files and at another size than the example's, agrees with torch."""
    network = built(name).eval()
    side = architecture_named(name).side_multiple
    example = np.random.default_rng(0).normal(size=(1, 3, side, side)).astype(np.float32)
    with torch_quiet():
        export_openvino(network, example, tmp_path, outputs=["logits"], dynamic_sides=True)
    picture = np.random.default_rng(1).normal(size=(1, 3, 2 * side, side)).astype(np.float32)
    core = load_openvino().Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    found = core.compile_model(core.read_model(tmp_path / "model.xml"), "CPU", exact)(picture)[0]
    with torch.no_grad():
        expected = network(torch.from_numpy(picture)).numpy()
    assert np.abs(found - expected).max() < 1e-3 * max(1.0, float(np.abs(expected).max()))


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
    import segmentation_models_pytorch as smp  # type: ignore[import-untyped]  # it has no types

    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(smp, "Unet", offline)
    with pytest.raises(MissingBackendError, match="cannot be fetched"):
        build("unet_resnet18", 2, {"pretrained": True})
