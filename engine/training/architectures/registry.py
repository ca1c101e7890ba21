"""The table of networks: what each is called, how it is built, and where its heat maps come from.

Importing this loads no torch; :func:`build` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, final

from engine.errors import RequestError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ARCHITECTURES", "Architecture", "architecture_named", "build"]

Builder = Callable[..., "nn.Module"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network from ``(N, 3, H, W)`` to logits ``(N, K, H, W)``.

    Sides must be multiples of ``side_multiple``. ``builder`` is ``"module:function"``; the function
    takes the number of classes and ``options``. ``heat_layer`` is the module whose output Grad-CAM
    looks at: the coarsest one. ``can_be_pretrained``: its encoder has weights learnt on ImageNet.
    """

    name: str
    title: str
    description: str
    builder: str
    side_multiple: int
    heat_layer: str
    options: Mapping[str, Any]
    can_be_pretrained: bool = False


_TABLE: Final = (
    Architecture(
        name="unet",
        title="U-Net, small",
        description="Our own: 1 to 4 million weights, quick on a processor, keeps thin structures.",
        builder="engine.training.architectures.unet:build_unet",
        side_multiple=32,
        heat_layer="bottom",
        options={"widths": (16, 32, 64, 96, 128)},
    ),
    Architecture(
        name="unet_mobilenet",
        title="U-Net with MobileNetV2",
        description="A light encoder; worth it with pretrained weights and more than 50 pictures.",
        builder="engine.training.architectures.encoders:build_unet",
        side_multiple=32,
        heat_layer="encoder.features.18",
        options={"encoder": "mobilenet_v2", "decoder": (128, 64, 32, 32, 16)},
        can_be_pretrained=True,
    ),
    Architecture(
        name="unet_resnet18",
        title="U-Net with ResNet-18",
        description="14 million weights: for many pictures and more time.",
        builder="engine.training.architectures.encoders:build_unet",
        side_multiple=32,
        heat_layer="encoder.layer4",
        options={"encoder": "resnet18", "decoder": (128, 64, 48, 32, 16)},
        can_be_pretrained=True,
    ),
    Architecture(
        name="unet_resnet34",
        title="U-Net with ResNet-34",
        description="23 million weights: best with a GPU.",
        builder="engine.training.architectures.encoders:build_unet",
        side_multiple=32,
        heat_layer="encoder.layer4",
        options={"encoder": "resnet34", "decoder": (128, 64, 48, 32, 16)},
        can_be_pretrained=True,
    ),
    Architecture(
        name="attention_unet",
        title="Attention U-Net",
        description="Gates that choose where to look (MONAI): for one organ in a large field.",
        builder="engine.training.architectures.attention:build_attention_unet",
        side_multiple=16,
        heat_layer="model.1.submodule.1.submodule.1.submodule.1.submodule",
        options={"channels": (16, 32, 64, 96, 128)},
    ),
    Architecture(
        name="unetplusplus",
        title="U-Net++",
        description="Nested skips around ResNet-18: careful borders, two to three times slower.",
        builder="engine.training.architectures.encoders:build_unetplusplus",
        side_multiple=32,
        heat_layer="encoder.layer4",
        options={"encoder": "resnet18", "decoder": (96, 64, 32, 24, 16)},
        can_be_pretrained=True,
    ),
)

ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {one.name: one for one in _TABLE}
)


def architecture_named(name: str) -> Architecture:
    """Return the architecture of that name.

    Raises
    ------
    RequestError
        When there is none; the message lists all.
    """
    if name not in ARCHITECTURES:
        raise RequestError(
            f"There is no network {name[:40]!r}; choose one of {', '.join(ARCHITECTURES)}."
        )
    return ARCHITECTURES[name]


def build(name: str, classes: int, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Return an untrained network for so many classes.

    ``options`` replace those of the table; a card keeps them, so that its weights fit later too.

    Raises
    ------
    RequestError
        When the name or an option is unknown.
    """
    found = architecture_named(name)
    if classes < 2:
        raise RequestError(f"A network answers at least two classes, but {classes} were asked for.")
    module, _, function = found.builder.partition(":")
    builder: Builder = getattr(import_module(module), function)
    merged = {**found.options, **(options or {})}
    try:
        return builder(classes, **merged)
    except TypeError as error:
        raise RequestError(
            f"The network {name!r} takes {', '.join(found.options)}, but got "
            f"{', '.join(merged)} ({error})."
        ) from error
