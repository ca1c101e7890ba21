"""What the process of its own does that explains an answer; run by :mod:`.explaining` alone.

``python -m engine.catalogue.predicting.explainer FOLDER``: FOLDER holds ``request.json`` and
``picture.npy``; ``heat.npy`` or ``failed.json`` is written into it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.errors import LightboxError, ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from engine.inference.cards import ModelCard

__all__ = ["main"]

_WEIGHTS: Final = "weights.safetensors"


def main(arguments: list[str]) -> int:
    """Answer the request in the folder that ``arguments`` names; return the exit code."""
    work = Path(arguments[0])
    try:
        heat = _heat(work, json.loads((work / "request.json").read_text(encoding="utf-8")))
    except LightboxError as error:
        told = {"code": error.code, "message": str(error)}
        (work / "failed.json").write_text(json.dumps(told), encoding="utf-8")
        return 1
    import numpy as np

    np.save(work / "heat.npy", heat)
    return 0


def _heat(work: Path, request: Mapping[str, Any]) -> NDArray[np.float32]:
    import numpy as np

    from engine.annotation.raster import Box
    from engine.inference import cards
    from engine.segmentation import explaining

    folder = Path(request["folder"])
    card = cards.load(folder)
    module, layer = _rebuilt(folder, card)
    left, top, right, bottom = (int(value) for value in request["region"])
    picture = np.load(work / "picture.npy", allow_pickle=False)
    found = explaining.explain(
        module,
        layer,
        card,
        picture,
        class_index=int(request["class"]),
        region=Box(left=left, top=top, right=right, bottom=bottom).part,
    )
    return np.asarray(found, np.float32)


def _rebuilt(folder: Path, card: ModelCard) -> tuple[nn.Module, nn.Module]:
    """Return the network with its weights, and the layer that heat is read from."""
    import torch
    from safetensors.torch import load_file

    from engine.training.architectures import build

    described = card.details.get("architecture")
    layers = card.details.get("layers")
    weights = folder / _WEIGHTS
    if not isinstance(described, Mapping) or not isinstance(layers, Mapping):
        raise ModelError(
            f"The card of {card.label!r} does not say how its network is built, so it cannot be "
            "explained; train it anew."
        )
    if not weights.is_file():
        raise ModelError(
            f"{card.label!r} came without {_WEIGHTS}, so it cannot be explained; bring in the "
            "whole bundle."
        )
    torch.set_num_threads(2)
    module = build(
        str(described.get("name", "")), len(card.classes), dict(described.get("options") or {})
    )
    try:
        module.load_state_dict(load_file(weights))
        layer = module.get_submodule(str(layers.get("gradcam", "")))
    except (RuntimeError, AttributeError) as error:
        raise ModelError(
            f"The weights of {card.label!r} do not fit its network "
            f"({str(error).splitlines()[0][:120]}); copy the model again."
        ) from error
    return module.eval(), layer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
