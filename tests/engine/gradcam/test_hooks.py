"""Grad-CAM with hooks: right maps for any layer, and nothing left behind."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from engine.errors import InputError
from engine.gradcam import closed_form
from engine.gradcam.hooks import GradCam, best_class, class_scores


class SmallNet(nn.Module):
    """A network whose head is not linear, with an in-place activation behind each layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, stride=2)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 8, 3, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Sequential(nn.Linear(8, 16), nn.Hardswish(), nn.Linear(16, 3))
        self.unused = nn.Conv2d(3, 3, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3)."""
        inner = torch.relu_(self.norm(self.first(image)))
        return self.head(self.relu(self.second(inner)).mean(dim=(2, 3)))


@pytest.fixture
def net() -> SmallNet:
    """Return a network with fixed random weights, in training mode as after construction."""
    torch.manual_seed(3)
    return SmallNet()


@pytest.fixture
def images() -> Tensor:
    """Return four inputs."""
    return torch.randn(4, 3, 40, 52, generator=torch.Generator().manual_seed(5))


def hooks_of(net: nn.Module) -> int:
    return sum(
        len(part._forward_hooks) + len(part._backward_hooks) + len(part._forward_pre_hooks)
        for part in net.modules()
    )


@pytest.mark.parametrize("layer", ["second", "norm", "relu"])
def test_maps_equal_the_reference_package(
    net: SmallNet, images: Tensor, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each layer, in-place ones included, maps equal pytorch-grad-cam's to 1e-4."""
    classes = [0, 1, 2, 0]
    part = getattr(net, layer)
    with GradCam(net, part) as gradcam:
        maps = gradcam(images, class_scores(classes))
    # The package would see what an in-place activation made of the layer's answer.
    monkeypatch.setattr(torch, "relu_", torch.relu)
    net.relu.inplace = False
    net.eval()
    targets = [ClassifierOutputTarget(index) for index in classes]
    with GradCAM(model=net, target_layers=[part]) as reference:
        expected = reference(input_tensor=images, targets=targets)
    ours = closed_form.normalise(maps - maps.min(axis=(1, 2), keepdims=True))
    ours = closed_form.upsample(ours, (40, 52))
    ours = closed_form.normalise(ours - ours.min(axis=(1, 2), keepdims=True))
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_the_closed_form_is_equal(images: Tensor) -> None:
    """On a pooled-linear network both ways give the same maps."""
    torch.manual_seed(1)
    body = nn.Sequential(nn.Conv2d(3, 7, 3, stride=3), nn.SiLU())
    head = nn.Linear(7, 3)
    net = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()
    with torch.no_grad():
        features, best = body(images).numpy(), net(images).argmax(dim=1).numpy()
    with GradCam(net, body) as gradcam:
        maps = gradcam(images)
    expected = closed_form.cam_for_pooled_linear(features, head.weight.detach().numpy(), best)
    np.testing.assert_allclose(maps, expected, atol=1e-4)


def test_hooks_are_removed(net: SmallNet, images: Tensor) -> None:
    """After the block the network has no hook; the former mode and no gradients are left."""
    before = [part.training for part in net.modules()]
    running = net.norm.running_mean.clone()
    with GradCam(net, net.second) as gradcam:
        assert hooks_of(net) == 1
        gradcam(images)
    assert hooks_of(net) == 0
    assert [part.training for part in net.modules()] == before
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(net.norm.running_mean, running)


def failing_target(_output: object) -> Tensor:
    raise RuntimeError("the target failed")


def test_hooks_are_removed_after_an_error(net: SmallNet, images: Tensor) -> None:
    """An error in the target or in the forward pass leaves no hook and no changed mode."""
    gradcam = GradCam(net, net.second)
    with pytest.raises(RuntimeError, match="the target failed"), gradcam:
        gradcam(images, failing_target)
    with pytest.raises(RuntimeError, match="expected input"), gradcam:
        gradcam(images[:, :2])
    assert hooks_of(net) == 0
    assert net.training
    assert gradcam._seen is None


def test_fifty_calls_do_not_grow(net: SmallNet, images: Tensor) -> None:
    """The number of living tensors is the same after 50 more calls."""

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    with GradCam(net, net.second) as gradcam:
        gradcam(images)
        before = tensors()
        for _ in range(50):
            gradcam(images)
        assert tensors() == before


def test_frozen_weights_and_no_grad_do_not_matter(net: SmallNet, images: Tensor) -> None:
    """A network for serving, without gradients anywhere, gives the same maps."""
    with GradCam(net, net.second) as gradcam:
        expected = gradcam(images)
    net.requires_grad_(requires_grad=False)
    with torch.no_grad(), GradCam(net, net.second) as gradcam:
        np.testing.assert_allclose(gradcam(images), expected, atol=1e-6)


def test_any_callable_is_a_target(net: SmallNet, images: Tensor) -> None:
    """A difference of two classes can be explained, and a class's negative has other maps."""
    with GradCam(net, net.second) as gradcam:
        difference = gradcam(images, lambda logits: logits[:, 0] - logits[:, 1])
        opposite = gradcam(images, lambda logits: logits[:, 1] - logits[:, 0])
    # ReLU keeps opposite parts: where one map is positive the other is zero.
    assert float((difference * opposite).max()) == 0.0


def test_tokens_can_be_reshaped(images: Tensor) -> None:
    """A layer that answers (N, tokens, C) is explained through `reshape`."""
    torch.manual_seed(2)
    norm = nn.LayerNorm(8)

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 8, 4, stride=4)
            self.norm = norm
            self.head = nn.Linear(8, 2)

        def forward(self, image: Tensor) -> Tensor:
            return self.head(self.norm(self.patches(image).flatten(2).mT).mean(dim=1))

    def to_map(tokens: Tensor) -> Tensor:
        return tokens.mT.reshape(len(tokens), 8, 10, 13)

    with GradCam(Tokens(), norm, reshape=to_map) as gradcam:
        maps = gradcam(images)
    assert maps.shape == (4, 10, 13)
    assert maps.max() == 1.0


def test_outside_of_the_block_it_does_not_work(net: SmallNet, images: Tensor) -> None:
    """Without `with` there is no hook, so no map."""
    gradcam = GradCam(net, net.second)
    with pytest.raises(InputError, match="inside its `with` block only"):
        gradcam(images)
    with gradcam, pytest.raises(InputError, match="in use already"), gradcam:
        pass


def test_a_foreign_layer_is_refused(net: SmallNet) -> None:
    """The layer must be a part of the model."""
    with pytest.raises(InputError, match="not a part of SmallNet"):
        GradCam(net, nn.Conv2d(3, 3, 1))


def test_a_layer_that_does_not_run_is_named(net: SmallNet, images: Tensor) -> None:
    """A layer outside of the forward pass has no map."""
    with (
        GradCam(net, net.unused) as gradcam,
        pytest.raises(InputError, match="Conv2d did not run"),
    ):
        gradcam(images)


def test_a_layer_without_a_picture_is_named(net: SmallNet, images: Tensor) -> None:
    """A layer behind the pooling has no places."""
    with (
        GradCam(net, net.head[0]) as gradcam,
        pytest.raises(
            InputError, match=r"answer with \(N, C, h, w\), but it answers with \(4, 16\)"
        ),
    ):
        gradcam(images)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (class_scores([0]), "Expected 4 classes from 0 to 2, but got"),
        (class_scores([0, 1, 2, 3]), "Expected 4 classes from 0 to 2"),
        (lambda logits: logits, r"one score for each of 4 pictures, but it gave shape \(4, 3\)"),
        (lambda logits: torch.zeros(len(logits)), "does not depend on the layer"),
        (
            lambda logits: torch.zeros(len(logits), requires_grad=True) * 1.0,
            "does not depend on the layer",
        ),
        (lambda logits: best_class({"logits": logits}), "it returned dict; give your own target"),
    ],
)
def test_wrong_targets_are_explained(
    net: SmallNet, images: Tensor, target: object, message: str
) -> None:
    """Targets must give one score for each picture, from the model's answer."""
    with GradCam(net, net.second) as gradcam, pytest.raises(InputError, match=message):
        gradcam(images, target)
