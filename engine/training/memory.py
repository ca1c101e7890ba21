"""How much memory a training takes at its peak, told before it begins. MB are 10⁶ bytes.

Needs no torch: the sizes of the networks are in a table, which a test compares with the networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

__all__ = ["NetworkSize", "forecast_mb", "measured_size", "size_of"]

_BASE_MB: Final = 620.0
"""What Python, torch and OpenVINO hold for themselves. This and the copies are fitted to runs of
``benchmarks/training_speed.py``; pages of files, which the system can take back, do not count."""
_BYTES: Final = {"f32": 4.0, "bf16": 2.0}
_COPIES: Final = {"f32": 1.6, "bf16": 1.6}
"""What stays for the way back and its gradients, as a multiple of all outputs; measured."""
_WEIGHT_BYTES: Final = 4 * 6
"""Weights, gradients, two moments, the average and the best so far, in float32."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSize:
    """How large a network is.

    All inner outputs together, as numbers for each pixel of a patch: with two classes, and for
    each class more. And how many weights there are.
    """

    outputs_per_px: float
    outputs_per_class: float
    weights: int


_SIZES: Final[Mapping[tuple[str, tuple[int, ...]], NetworkSize]] = {
    ("unet", (16, 32, 64, 96, 128)): NetworkSize(
        outputs_per_px=306.875, outputs_per_class=1, weights=936_306
    ),
    ("unet", (24, 48, 96, 128, 192)): NetworkSize(
        outputs_per_px=456.75, outputs_per_class=1, weights=1_887_866
    ),
    ("unet", (24, 48, 96, 128, 192, 256)): NetworkSize(
        outputs_per_px=461.9375, outputs_per_class=1, weights=4_089_850
    ),
    ("unet_mobilenet", ()): NetworkSize(
        outputs_per_px=613.0, outputs_per_class=3, weights=4_151_394
    ),
    ("unet_resnet18", ()): NetworkSize(
        outputs_per_px=398.0, outputs_per_class=3, weights=12_518_882
    ),
    ("unet_resnet34", ()): NetworkSize(
        outputs_per_px=473.0, outputs_per_class=3, weights=22_627_042
    ),
    ("attention_unet", ()): NetworkSize(
        outputs_per_px=555.734375, outputs_per_class=1, weights=937_946
    ),
    ("unetplusplus", ()): NetworkSize(
        outputs_per_px=1013.125, outputs_per_class=3, weights=13_685_698
    ),
}


def forecast_mb(
    variant: str,
    classes: int,
    options: Mapping[str, Any],
    *,
    patch_px: int,
    batch_size: int,
    precision: str,
) -> float:
    """Return the peak in MB, from the sizes of all inner outputs of the network."""
    size = size_of(variant, options)
    outputs = (size.outputs_per_px + size.outputs_per_class * (classes - 2)) * patch_px**2
    logits = classes * patch_px**2 * 4 * 6  # losses work on float32
    patches = 3 * patch_px**2 * 4 * 4  # those that wait to be learnt from
    each = outputs * _BYTES[precision] * _COPIES[precision] + logits + patches
    return round(_BASE_MB + (batch_size * each + size.weights * _WEIGHT_BYTES) / 1e6, 0)


def size_of(variant: str, options: Mapping[str, Any]) -> NetworkSize:
    """Return the size of a network: from the table, or by building it where it is not in there."""
    widths = tuple(options.get("widths", ()))
    return _SIZES.get((variant, widths)) or measured_size(variant, options)


def measured_size(variant: str, options: Mapping[str, Any]) -> NetworkSize:
    """Return the size of a network by walking through it with tensors that have a shape only."""
    two, three = (_walked(variant, classes, options) for classes in (2, 3))
    return NetworkSize(outputs_per_px=two[0], outputs_per_class=three[0] - two[0], weights=two[1])


def _walked(variant: str, classes: int, options: Mapping[str, Any]) -> tuple[float, int]:
    import torch
    from torch import nn

    from engine.training.architectures import build
    from engine.training.quiet import torch_quiet

    side, elements = 256, 0

    def count(_module: nn.Module, _given: object, output: object) -> None:
        nonlocal elements
        if isinstance(output, torch.Tensor):
            elements += output.numel()

    with torch_quiet(), torch.no_grad():
        plain = {key: value for key, value in options.items() if key != "pretrained"}
        network = build(variant, classes, plain).to("meta").eval()
        for module in network.modules():
            if not list(module.children()):
                module.register_forward_hook(count)
        network(torch.empty(1, 3, side, side, device="meta"))
    return elements / side**2, sum(one.numel() for one in network.parameters())
