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
    from torch import nn

    from engine.inference.cards import ModelCard
    from engine.segmentation.explaining import Explanation

__all__ = ["main"]

_WEIGHTS: Final = "weights.safetensors"


def main(arguments: list[str]) -> int:
    """Answer the request in the folder that ``arguments`` names; return the exit code."""
    work = Path(arguments[0])
    try:
        found = _explained(work, json.loads((work / "request.json").read_text(encoding="utf-8")))
    except LightboxError as error:
        _write(work / "failed.json", {"code": error.code, "message": str(error)})
        return 1
    import numpy as np

    window, judged = found.window, found.judgement
    told = {
        "window": [window.left, window.top, window.width, window.height],
        "verdict": judged.verdict,
        "sentence": judged.reason,
    }
    _write(work / "told.json", told)
    np.save(work / "heat.npy", found.heat)
    return 0


def _write(path: Path, told: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(told), encoding="utf-8")


def _explained(work: Path, request: Mapping[str, Any]) -> Explanation:
    import numpy as np
    import torch

    from engine.inference import cards
    from engine.inference.processors import usable_cores
    from engine.segmentation import explaining
    from engine.segmentation.normalising import Normalisation

    torch.set_num_threads(usable_cores())
    folder = Path(request["folder"])
    card = cards.load(folder)
    picture = np.load(work / "picture.npy", allow_pickle=False)
    region = np.zeros(picture.shape[:2], bool)
    left, top, right, bottom = (int(value) for value in request["region"])
    region[top:bottom, left:right] = True
    module, layer = _rebuilt(folder, card)
    return explaining.explain(
        module,
        layer,
        picture,
        int(request["class"]),
        normalisation=Normalisation.from_json(card.details.get("normalisation")),
        region=region,
        multiple=card.input.side_multiple if isinstance(card.input, cards.FreeSizeSpec) else 32,
        temperature=card.temperature,
    )


def _rebuilt(folder: Path, card: ModelCard) -> tuple[nn.Module, str]:
    """Return the network with its weights, and the name of the layer that heat is read from."""
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
    module = build(
        str(described.get("name", "")), len(card.classes), dict(described.get("options") or {})
    )
    try:
        module.load_state_dict(load_file(weights))
    except RuntimeError as error:
        raise ModelError(
            f"The weights of {card.label!r} do not fit its network "
            f"({str(error).splitlines()[0][:120]}); copy the model again."
        ) from error
    return module.eval(), str(layers.get("gradcam", ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
