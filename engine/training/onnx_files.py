"""A trained network as ONNX, for other programs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine.errors import ModelError, RequestError
from engine.inference.openvino_library import load_openvino
from engine.training.architectures import build
from engine.training.checkpoints import load_weights

if TYPE_CHECKING:
    from engine.inference.cards import ModelCard

__all__ = ["export_onnx"]

_OPSET: Final = 17
_MOST_DIFFERENCE: Final = 1e-3


def export_onnx(folder: Path, card: ModelCard, target: Path) -> Path:
    """Write the network of a model folder as one ONNX file with free batch and sides.

    OpenVINO reads it back and has to answer as torch does.

    Raises
    ------
    RequestError
        When the folder has no weights that torch can build again.
    ModelError
        When the file answers differently.
    """
    import torch

    about: Any = card.details.get("architecture")
    if not isinstance(about, dict) or "weights.safetensors" not in card.files:
        raise RequestError(
            f"“{card.label}” has no weights as safetensors, from which ONNX is made; export it as "
            "a bundle or OpenVINO."
        )
    network = build(str(about["name"]), len(card.classes), dict(about.get("options", {})))
    network.load_state_dict(load_weights(folder / "weights.safetensors"))
    network.eval()
    multiple = getattr(card.input, "side_multiple", 32)
    shape = (1, 3, 2 * multiple, 3 * multiple)
    example = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    free = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter by tracing is deprecated in torch, but needs no further package.
        warnings.simplefilter("ignore")
        wanted = network(example).numpy()
        torch.onnx.export(
            network,
            (example,),
            str(target),
            dynamo=False,
            opset_version=_OPSET,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": free, "logits": free},
        )
    compiled = (
        load_openvino()
        .Core()
        .compile_model(str(target), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )
    found = compiled({0: example.numpy()})[compiled.output(0)]
    difference = float(np.abs(found - wanted).max()) / max(1e-6, float(np.abs(wanted).max()))
    if not difference <= _MOST_DIFFERENCE:
        raise ModelError(
            f"The ONNX file differs from the network by {difference:.2g} of its largest value, "
            f"allowed is {_MOST_DIFFERENCE:g}; export the model in another form."
        )
    return target
