"""Attention U-Net (Oktay et al. 2018, arXiv:1804.03999), by MONAI."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from torch import nn

__all__ = ["build_attention_unet"]


def build_attention_unet(classes: int, *, channels: Sequence[int]) -> nn.Module:
    """Return the network with one floor for each of ``channels``."""
    with warnings.catch_warnings():
        # MONAI's import meets what torch has deprecated; nothing of ours depends on it.
        warnings.simplefilter("ignore")
        from monai.networks.nets.attentionunet import AttentionUnet

    network: nn.Module = AttentionUnet(
        spatial_dims=2,
        in_channels=3,
        out_channels=classes,
        channels=tuple(channels),
        strides=(2,) * (len(channels) - 1),
    )
    return network
