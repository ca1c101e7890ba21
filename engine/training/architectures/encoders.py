"""Networks around a known encoder, by segmentation-models-pytorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from engine.errors import MissingBackendError

__all__ = ["build_unet", "build_unetplusplus"]


def build_unet(
    classes: int, *, encoder: str, decoder: Sequence[int], pretrained: bool = False
) -> nn.Module:
    """Return a U-Net around ``encoder``; ``pretrained`` fetches weights learnt on ImageNet.

    Raises
    ------
    MissingBackendError
        When the weights cannot be fetched.
    """
    import segmentation_models_pytorch as smp

    return _built(smp.Unet, classes, encoder=encoder, decoder=decoder, pretrained=pretrained)


def build_unetplusplus(
    classes: int, *, encoder: str, decoder: Sequence[int], pretrained: bool = False
) -> nn.Module:
    """Return a U-Net++ around ``encoder``; as :func:`build_unet`."""
    import segmentation_models_pytorch as smp

    return _built(
        smp.UnetPlusPlus, classes, encoder=encoder, decoder=decoder, pretrained=pretrained
    )


def _built(
    kind: Any,  # noqa: ANN401 – the library has no types
    classes: int,
    *,
    encoder: str,
    decoder: Sequence[int],
    pretrained: bool,
) -> nn.Module:
    try:
        network: nn.Module = kind(
            encoder,
            encoder_weights="imagenet" if pretrained else None,
            decoder_channels=tuple(decoder),
            in_channels=3,
            classes=classes,
        )
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise MissingBackendError(
            f"The pretrained weights of {encoder} cannot be fetched ({type(error).__name__}); "
            "train without them, or copy them into the cache of the machine."
        ) from error
    return network
