"""Our own U-Net: small enough for a processor, full resolution on its first floor.

::

    picture ── 16 ─────────────────────────────── 16 ── logits
                └─ 32 ───────────────────── 32 ──┘
                    └─ 64 ─────────── 64 ──┘
                        └─ 96 ── 96 ──┘
                            └ 128 ┘          each floor: half the side
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["UNet", "build_unet"]


class _Block(nn.Module):
    """Two 3×3 convolutions with a short cut around them."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(given, width, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        self.short = nn.Conv2d(given, width, 1) if given != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, given, H, W)`` → ``(N, width, H, W)``."""
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.short(x))


class UNet(nn.Module):
    """From ``(N, 3, H, W)`` to logits ``(N, K, H, W)``; sides are multiples of 2^(floors − 1)."""

    def __init__(self, classes: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _Block(given, width)
            for given, width in zip((3, *widths[:-2]), widths[:-1], strict=True)
        )
        self.bottom = _Block(widths[-2], widths[-1])
        self.narrow = nn.ModuleList(
            nn.Conv2d(below, width, 1) for below, width in zip(widths[1:], widths[:-1], strict=True)
        )
        self.up = nn.ModuleList(_Block(2 * width, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits at the picture's own size."""
        floors = []
        for block in self.down:
            x = block(x)
            floors.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottom(x)
        for narrow, block, floor in reversed(list(zip(self.narrow, self.up, floors, strict=True))):
            # Narrowed before it is enlarged: the same result for a quarter of the work.
            x = F.interpolate(narrow(x), scale_factor=2.0, mode="nearest")
            x = block(torch.cat([floor, x], dim=1))
        logits: Tensor = self.head(x)
        return logits


def build_unet(classes: int, *, widths: Sequence[int]) -> UNet:
    """Return the network for so many classes; one floor for each of ``widths``."""
    return UNet(classes, tuple(widths))
