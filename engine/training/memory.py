"""How much memory a training takes at its peak, told before it begins. MB are 10⁶ bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.training.architectures import build

__all__ = ["forecast_mb"]

_BASE_MB: Final = 620.0
"""Python, torch and OpenVINO with what they keep for themselves; measured."""
_KEPT: Final = {"f32": 4.0, "bf16": 2.0}
_COPIES: Final = {"f32": 2.3, "bf16": 2.9}
"""What stays for the way back and its gradients, as a multiple of all outputs; measured."""
_PARAMETER_BYTES: Final = 4 * 6
"""Weights, gradients, two moments, the average and the best so far, in float32."""


def forecast_mb(
    variant: str,
    classes: int,
    options: Mapping[str, Any],
    *,
    patch_px: int,
    batch_size: int,
    precision: str,
) -> float:
    """Return the peak in MB, from the sizes of all inner outputs of the network.

    Nothing is computed: the network is walked through with tensors that have a shape only.
    """
    import torch
    from torch import nn

    from engine.training.quiet import torch_quiet

    elements = 0

    def count(_module: nn.Module, _given: object, output: object) -> None:
        nonlocal elements
        if isinstance(output, torch.Tensor):
            elements += output.numel()

    with torch_quiet():
        plain = {key: value for key, value in options.items() if key != "pretrained"}
        network = build(variant, classes, plain).to("meta").eval()
        handles = [
            module.register_forward_hook(count)
            for module in network.modules()
            if not list(module.children())
        ]
        with torch.no_grad():
            network(torch.empty(1, 3, patch_px, patch_px, device="meta"))
        for handle in handles:
            handle.remove()
    parameters = sum(one.numel() for one in network.parameters())
    logits = classes * patch_px**2 * 4 * 6  # losses work on float32
    each = elements * _KEPT[precision] * _COPIES[precision] + logits + 3 * patch_px**2 * 4 * 4
    return round(_BASE_MB + (batch_size * each + parameters * _PARAMETER_BYTES) / 1e6, 0)
