"""The network: a small residual encoder to 1/32, a decoder back to 1/4, two heads.

About 2.5 billion multiplications for 640×480 pixels and 1.6 million weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.cells.names import CLASSES

__all__ = ["CellNetwork"]

_WIDTHS = (32, 64, 128, 192)


class _Block(nn.Module):
    """Two 3×3 convolutions around a shortcut; the first may halve the sides."""

    def __init__(self, given: int, made: int, *, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(given, made, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(made)
        self.second = nn.Conv2d(made, made, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(made)
        self.short: nn.Module = nn.Identity()
        if stride != 1 or given != made:
            self.short = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(given, made, 1, bias=False),
                nn.BatchNorm2d(made),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        return F.relu(y + self.short(x))


class CellNetwork(nn.Module):
    """``(N, 3, H, W)`` → heat logits ``(N, C, H/4, W/4)`` and sides in pixels ``(N, 4, …)``."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = _WIDTHS
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(inplace=True),
        )
        self.stages = nn.ModuleList(
            [
                _Block(24, a, stride=2),
                nn.Sequential(_Block(a, b, stride=2), _Block(b, b)),
                nn.Sequential(_Block(b, c, stride=2), _Block(c, c)),
                nn.Sequential(_Block(c, d, stride=2), _Block(d, d)),
            ]
        )
        wide = 48
        self.across = nn.ModuleList([nn.Conv2d(w, wide, 1) for w in _WIDTHS])
        self.blend = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(wide, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide))
                for _ in _WIDTHS
            ]
        )
        self.heat = nn.Sequential(
            nn.Conv2d(wide, wide, 1), nn.ReLU(), nn.Conv2d(wide, len(CLASSES), 1)
        )
        self.sides = nn.Sequential(nn.Conv2d(wide, wide, 1), nn.ReLU(), nn.Conv2d(wide, 4, 1))
        last = self.heat[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.constant_(last.bias, -4.0)  # cells are rare on the grid
        size = self.sides[-1]
        assert isinstance(size, nn.Conv2d)
        assert size.bias is not None
        nn.init.constant_(size.bias, 3.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return heat logits and sides in pixels; sides of ``x`` are multiples of 32."""
        y = self.stem(x)
        levels = []
        for stage in self.stages:
            y = stage(y)
            levels.append(y)
        up: Tensor | None = None
        for level, across, blend in zip(
            reversed(levels), reversed(self.across), reversed(self.blend), strict=True
        ):
            y = across(level)
            if up is not None:
                y = y + F.interpolate(up, scale_factor=2.0, mode="nearest")
            up = F.relu(blend(y))
        assert up is not None
        # exp keeps sides above zero; the limit keeps a wild start finite.
        return self.heat(up), torch.exp(self.sides(up).float().clamp(-1.0, 7.0))
