"""The anatomy network: a small U-shaped net with three answers. The only torch module of its kind.

Layout for an input of (3, 128, 144)::

    (16, 64, 72) ─────────────────────────────► (16, 64, 72) ─► labels (4), corners (2)
      └► (32, 32, 36) ──────────────► (32, 32, 36)
           └► (64, 16, 18) ──► (64, 16, 18)
                └► (96, 8, 9) ─┘
                        └► mean and maximum ─► presence (1)
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["OUTPUTS", "AnatomyNet"]

OUTPUTS = ("labels", "corners", "presence")
"""Names of the outputs: ``labels`` (N, 4, 64, 72) logits; ``corners`` (N, 2, 64, 72) logits of the
left and the right corner of the lids in the picture; ``presence`` (N, 1) logit."""


def _conv(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        ),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


@final
class AnatomyNet(nn.Module):
    """Says where sclera, iris, pupil and the corners of the lids are, and whether they are."""

    def __init__(self) -> None:
        super().__init__()
        self.first = _conv(3, 16, stride=2)  # (16, 64, 72)
        self.second = nn.Sequential(_conv(16, 32, stride=2), _conv(32, 32))  # (32, 32, 36)
        self.third = nn.Sequential(_conv(32, 64, stride=2), _conv(64, 64))  # (64, 16, 18)
        self.fourth = nn.Sequential(
            _conv(64, 96, stride=2), _conv(96, 96, dilation=2), _conv(96, 96)
        )  # (96, 8, 9)
        self.context = nn.Linear(192, 96)
        self.presence = nn.Linear(96, 1)
        self.from_fourth = nn.Conv2d(96, 64, 1)
        self.up_third = _conv(64, 64)
        self.from_third = nn.Conv2d(64, 32, 1)
        self.up_second = _conv(32, 32)
        self.from_second = nn.Conv2d(32, 16, 1)
        self.up_first = _conv(16, 24)
        self.head = nn.Conv2d(24, 6, 3, padding=1)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the outputs named in :data:`OUTPUTS` for (N, 3, 128, 144) normalised pictures."""
        first = self.first(picture)
        second = self.second(first)
        third = self.third(second)
        fourth = self.fourth(third)
        pooled = torch.cat([fourth.mean(dim=(2, 3)), fourth.amax(dim=(2, 3))], dim=1)
        context = torch.relu(self.context(pooled))
        fourth = fourth + context[:, :, None, None]
        up = self.up_third(third + _doubled(self.from_fourth(fourth)))
        up = self.up_second(second + _doubled(self.from_third(up)))
        up = self.up_first(first + _doubled(self.from_second(up)))
        out = self.head(up)  # (N, 6, 64, 72)
        return out[:, :4], out[:, 4:], self.presence(context)


def _doubled(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
