"""Closed-form Grad-CAM equals automatic differentiation and the reference package."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from engine.errors import InputError
from engine.gradcam import closed_form

CLASSES = 4


class PooledLinear(nn.Module):
    """Convolutions, global average pooling, dropout, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2), nn.Hardswish(), nn.Conv2d(6, 10, 3, stride=2), nn.SiLU()
        )
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(10, CLASSES))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, K)."""
        return self.head(self.body(image).mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def net() -> PooledLinear:
    """Return a network with fixed random weights."""
    torch.manual_seed(11)
    return PooledLinear().eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Return six inputs that are not square."""
    return torch.randn(6, 3, 33, 41, generator=torch.Generator().manual_seed(2))


def closed(net: PooledLinear, images: Tensor, classes: list[int]) -> np.ndarray:
    with torch.no_grad():
        features = net.body(images).numpy()
    weights = net.head[1].weight.detach().numpy()
    return closed_form.cam_for_pooled_linear(features, weights, classes)


def by_definition(net: PooledLinear, images: Tensor, classes: list[int]) -> np.ndarray:
    """Return Grad-CAM as its paper defines it, one picture at a time, by autograd."""
    maps = []
    for image, index in zip(images, classes, strict=True):
        features = net.body(image[None]).detach().requires_grad_()
        net.head(features.mean(dim=(2, 3)))[0, index].backward()
        alpha = features.grad.mean(dim=(2, 3), keepdim=True)
        cam = torch.relu((alpha * features.detach()).sum(dim=1))[0]
        maps.append((cam / cam.max() if cam.max() > 0 else cam).numpy())
    return np.stack(maps)


def test_it_is_grad_cam_by_definition(net: PooledLinear, images: Tensor) -> None:
    """The maps equal the paper's formula to 1e-4, for each class in a batch."""
    for shift in range(CLASSES):
        classes = [(i + shift) % CLASSES for i in range(6)]
        expected = by_definition(net, images, classes)
        np.testing.assert_allclose(closed(net, images, classes), expected, atol=1e-4)


def test_it_is_the_reference_package_map(net: PooledLinear, images: Tensor) -> None:
    """At the picture's size the maps equal pytorch-grad-cam's to 1e-4.

    That package also subtracts each map's smallest value, so the same is done here.
    """
    classes = [0, 1, 2, 3, 0, 1]
    with GradCAM(model=net, target_layers=[net.body[-1]]) as reference:
        targets = [ClassifierOutputTarget(index) for index in classes]
        expected = reference(input_tensor=images, targets=targets)
    maps = closed(net, images, classes)
    maps = maps - maps.min(axis=(1, 2), keepdims=True)
    ours = closed_form.upsample(closed_form.normalise(maps), images.shape[2:])
    # The package scales the enlarged map to 0..1 once more.
    ours = ours - ours.min(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(closed_form.normalise(ours), expected, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 9), st.integers(1, 7), st.integers(1, 7), st.integers(0, 99)
)
def test_maps_stay_in_range(count: int, channels: int, height: int, width: int, seed: int) -> None:
    """Every map lies in 0..1 and its largest value is 1, or it is all zero."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, channels, height, width)).astype(np.float32)
    weights = random.normal(size=(3, channels)).astype(np.float32)
    maps = closed_form.cam_for_pooled_linear(features, weights, random.integers(0, 3, count))
    assert maps.shape == (count, height, width)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    tops = maps.max(axis=(1, 2))
    assert np.all((tops == 1) | (tops == 0))


def test_nothing_positive_gives_an_empty_map() -> None:
    """Where nothing speaks for the class the map is zero, not NaN; neighbours are unaffected."""
    features = np.ones((2, 1, 2, 2), np.float32)
    weights = np.array([[-1.0], [1.0]], np.float32)
    maps = closed_form.cam_for_pooled_linear(features, weights, [0, 1])
    np.testing.assert_array_equal(maps, np.stack([np.zeros((2, 2)), np.ones((2, 2))]))


def test_the_input_is_left_alone() -> None:
    """Features are not written to, and may be read-only."""
    features = np.ones((1, 2, 2, 2), np.float32)
    features.setflags(write=False)
    closed_form.cam_for_pooled_linear(features, np.ones((1, 2), np.float32), [0])


def test_flipping_the_features_flips_the_map() -> None:
    """A mirrored picture has a mirrored map."""
    random = np.random.default_rng(0)
    features = random.normal(size=(1, 5, 4, 6)).astype(np.float32)
    weights = random.normal(size=(2, 5)).astype(np.float32)
    one = closed_form.cam_for_pooled_linear(features, weights, [1])
    other = closed_form.cam_for_pooled_linear(features[..., ::-1], weights, [1])
    np.testing.assert_allclose(other, one[..., ::-1], atol=1e-6)


@pytest.mark.parametrize(
    ("features", "weights", "classes", "message"),
    [
        (np.ones((2, 3, 4)), np.ones((2, 3)), [0, 0], r"features \(N, C, h, w\)"),
        (np.ones((1, 3, 4, 4)), np.ones((2, 4)), [0], r"weights \(K, C\)"),
        (np.ones((1, 3, 4, 4)), np.ones((2, 3)), [0, 1], r"classes \(N,\)"),
        (np.ones((0, 3, 4, 4)), np.ones((2, 3)), np.empty(0, int), r"features \(N, C, h, w\)"),
        (np.ones((1, 3, 4, 4)), np.ones((2, 3)), [2], "whole numbers from 0 to 1"),
        (np.ones((1, 3, 4, 4)), np.ones((2, 3)), [-1], "whole numbers from 0 to 1"),
        (np.ones((1, 3, 4, 4)), np.ones((2, 3)), [0.0], "whole numbers from 0 to 1"),
        (np.full((1, 3, 4, 4), np.nan), np.ones((2, 3)), [0], "finite features"),
    ],
)
def test_what_does_not_fit_is_refused(
    features: np.ndarray, weights: np.ndarray, classes: object, message: str
) -> None:
    """Shapes, indices and values are checked, with a sentence."""
    with pytest.raises(InputError, match=message):
        closed_form.cam_for_pooled_linear(
            features.astype(np.float32), weights.astype(np.float32), classes
        )


@pytest.mark.parametrize("size", [(128, 144), (4, 5), (3, 2), (1, 1), (9, 300)])
@pytest.mark.parametrize("source", [(4, 5), (1, 1), (1, 6), (7, 7)])
def test_upsampling_equals_opencv(source: tuple[int, int], size: tuple[int, int]) -> None:
    """Enlarging and shrinking equal cv2.resize with INTER_LINEAR."""
    maps = np.random.default_rng(1).random((2, *source)).astype(np.float32)
    found = closed_form.upsample(maps, size)
    for one, given_map in zip(found, maps, strict=True):
        expected = cv2.resize(given_map, size[::-1], interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(one, expected.reshape(size), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "size"), [((2, 2), (4, 4)), ((1, 0, 2), (4, 4)), ((1, 2, 2), (0, 4))]
)
def test_upsampling_needs_maps_and_a_size(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    """Empty maps and sizes are refused."""
    with pytest.raises(InputError, match=r"maps \(N, h, w\) and a size"):
        closed_form.upsample(np.zeros(shape, np.float32), size)
