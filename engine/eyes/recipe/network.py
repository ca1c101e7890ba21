"""The eye network: a small residual network that ends in average pooling and one linear layer.

That ending is what makes Grad-CAM a matrix product (:mod:`engine.gradcam.closed_form`).
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ARCHITECTURE", "EyeNetwork", "EyeOutputs"]

ARCHITECTURE = "lightbox-eye-resnet-1"
"""The name by which a model card asks for :class:`EyeNetwork`."""

WIDTHS = (24, 32, 64, 128)
DEPTHS = (2, 2, 3)
REGIONS = 4
"""Regions of the auxiliary map: other, sclera, iris, pupil."""


class EyeOutputs(NamedTuple):
    """``logits (N, K)``, ``features (N, 128, H/16, W/16)`` and ``evidence (N, 1)`` of an eye."""

    logits: Tensor
    features: Tensor
    evidence: Tensor


def _convolved(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
    )


@final
class _Block(nn.Module):
    """Two 3×3 convolutions and a shortcut; a stride of 2 halves height and width."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = _convolved(inputs, outputs, stride)
        self.second = _convolved(outputs, outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.second(F.relu(self.first(x)))
        return F.relu(inner + self.shortcut(x))


def _stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    blocks = [_Block(inputs, outputs, 2)]
    blocks += [_Block(outputs, outputs, 1) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


@final
class EyeNetwork(nn.Module):
    """Stem + three residual stages + pooled linear head.

    Input ``(N, 3, H, W) float32``: RGB in 0..1, normalised by mean and standard deviation. Height
    and width are multiples of 16. ``regions`` is only used in training: it asks the middle of
    the network to tell sclera, iris and pupil apart, from rendered eyes whose masks are known.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = _convolved(3, WIDTHS[0], 2)
        self.near = _stage(WIDTHS[0], WIDTHS[1], DEPTHS[0])
        self.middle = _stage(WIDTHS[1], WIDTHS[2], DEPTHS[1])
        self.far = _stage(WIDTHS[2], WIDTHS[3], DEPTHS[2])
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(WIDTHS[3], classes)
        self.evidence = nn.Sequential(
            nn.Linear(2 * WIDTHS[3], 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1)
        )
        self.regions = nn.Conv2d(WIDTHS[2], REGIONS, 1)

    def forward(self, x: Tensor) -> EyeOutputs:
        """Return logits, features and eye evidence."""
        return self.answered(self.middle_features(x))

    def middle_features(self, x: Tensor) -> Tensor:
        """Return ``(N, 64, H/8, W/8)``: what both the head and the regions are read from."""
        middle: Tensor = self.middle(self.near(F.relu(self.stem(x))))
        return middle

    def answered(self, middle: Tensor) -> EyeOutputs:
        """Return the outputs for features of :meth:`middle_features`."""
        features = self.far(middle)
        pooled = features.mean(dim=(2, 3))
        highest = features.amax(dim=(2, 3))
        logits = self.head(self.dropout(pooled))
        evidence = self.evidence(torch.cat([pooled, highest], dim=1))
        return EyeOutputs(logits, features, evidence)
