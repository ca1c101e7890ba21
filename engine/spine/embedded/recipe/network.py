"""The network: a small U-shaped one in three dimensions. The only torch module of the spine.

Layout, sides in voxels of 4 mm::

    (16, n)  ───────────────────────────────────► (16, n)  ─► heat, classes, region, level
      └► (32, n/2)  ─────────────────────► (32, n/2)
           └► (64, n/4)  ────────────► (64, n/4)
                └► (96, n/8)  ──► (96, n/8)
                     └► (128, n/16) ─┘

Each voxel is normalised over its own channels, so that an answer depends on what is near it and
not on how much air the field of view holds.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.spine.embedded.targets import CLASSES, REGIONS

__all__ = ["OUTPUTS", "Answering", "SpineNet"]

OUTPUTS: Final = ("heat", "classes", "region", "level")
"""Names of the outputs, each ``(N, channels, I, J, K)``."""

_CHANNELS: Final = (16, 32, 64, 96, 128)
_DOWN: Final = (1, 2, 2, 2, 2)
_UP: Final = (1, 2, 2, 2)
_SLOPE: Final = 0.05
_DEEP: Final = 3


@final
class _ExactScales(torch.autograd.Function):
    """``layer_norm`` whose scales and shifts learn from sums in f32.

    Torch sums their gradients over all voxels in the type of the maps; in bf16 such a sum stops
    growing after some hundred voxels.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:  # noqa: ANN401 – torch's own
        answer, mean, spread = torch.native_layer_norm(maps, scale.shape, scale, shift, eps)
        ctx.save_for_backward(maps, scale, shift, mean, spread)
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # noqa: ANN401 – torch's own
        maps, scale, shift, mean, spread = ctx.saved_tensors
        below, _, _ = torch.ops.aten.native_layer_norm_backward(
            grads[0], maps, scale.shape, mean, spread, scale, shift, [True, False, False]
        )
        rows = grads[0].reshape(-1, len(scale)).float()
        even = maps.reshape(-1, len(scale)).float()
        even = even.sub_(mean.reshape(-1, 1)).mul_(spread.reshape(-1, 1))
        return below, (even * rows).sum(0), rows.sum(0), None


@final
class _Normalised(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, maps: Tensor) -> Tensor:
        rows = maps.permute(0, 2, 3, 4, 1)
        if self.training:
            norm = self.norm
            even: Tensor = _ExactScales.apply(rows, norm.weight, norm.bias, norm.eps)
        else:
            even = self.norm(rows)
        return even.permute(0, 4, 1, 2, 3)


def _step(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1),
        _Normalised(outputs),
        nn.LeakyReLU(_SLOPE, inplace=True),
    )


def _steps(inputs: int, outputs: int, count: int, *, stride: int = 1) -> nn.Sequential:
    first = _step(inputs, outputs, stride=stride)
    return nn.Sequential(first, *(_step(outputs, outputs) for _ in range(count - 1)))


def _precision(level: int) -> AbstractContextManager[None]:
    """Compute the deep levels in f32: in bf16 gradients of such small maps were not finite."""
    if level >= _DEEP and torch.is_autocast_enabled("cpu"):
        return torch.autocast("cpu", enabled=False)
    return nullcontext()


@final
class SpineNet(nn.Module):
    """Gives one map of logits, ``(N, 13, I, J, K)``: heat, 8 classes, 3 regions, level."""

    def __init__(self) -> None:
        super().__init__()
        before = (1, *_CHANNELS[:-1])
        self.down = nn.ModuleList(
            _steps(a, b, count, stride=1 if level == 0 else 2)
            for level, (a, b, count) in enumerate(zip(before, _CHANNELS, _DOWN, strict=True))
        )
        pairs = list(zip(_CHANNELS[1:], _CHANNELS, strict=False))
        self.narrow = nn.ModuleList(nn.Conv3d(deep, flat, 1) for deep, flat in pairs)
        self.up = nn.ModuleList(
            _steps(2 * flat, flat, count) for (_, flat), count in zip(pairs, _UP, strict=True)
        )
        self.head = nn.Conv3d(_CHANNELS[0], 2 + len(CLASSES) + len(REGIONS), 1)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]  # it has one
        with torch.no_grad():
            self.head.bias[0] = -4.0  # type: ignore[index]  # few voxels are a centre

    def forward(self, volume: Tensor) -> Tensor:
        """Return logits for ``(N, 1, I, J, K)`` normalised CT numbers, sides multiples of 16."""
        kept: list[Tensor] = []
        maps = volume
        for level, down in enumerate(self.down):
            with _precision(level):
                maps = down(maps.float() if level >= _DEEP else maps)
            kept.append(maps)
        for level in reversed(range(len(self.up))):
            with _precision(level):
                wide = F.interpolate(self.narrow[level](maps), scale_factor=2.0, mode="nearest")
                maps = self.up[level](torch.cat([wide, kept[level].to(wide.dtype)], dim=1))
        logits: Tensor = self.head(maps)
        return logits


@final
class Answering(nn.Module):
    """What ships: the network with its logits turned into :data:`OUTPUTS`."""

    def __init__(self, net: SpineNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, volume: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return heat 0..1, classes and region as probabilities, and level (0 C1 … 23 L5)."""
        logits = self.net(volume)
        heat, classes, region, level = torch.split(logits, [1, len(CLASSES), len(REGIONS), 1], 1)
        return (
            torch.sigmoid(heat),
            torch.softmax(classes, dim=1),
            torch.softmax(region, dim=1),
            12.0 + 12.0 * level,
        )
