"""TotalSegmentator's weights: where they are, whether they are whole, and downloading them.

Importing this package loads nothing heavy; the names below open their module on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.spine.weights.catalogue import (
        ALIASES,
        MODELS,
        WeightsModel,
        model_named,
        models_needed,
    )
    from engine.spine.weights.downloading import download
    from engine.spine.weights.folders import weights_folder
    from engine.spine.weights.manifest import Verification
    from engine.spine.weights.progress import DownloadProgress
    from engine.spine.weights.states import (
        ModelState,
        missing_models,
        model_path,
        models,
        verify,
    )

__all__ = [
    "ALIASES",
    "MODELS",
    "DownloadProgress",
    "ModelState",
    "Verification",
    "WeightsModel",
    "download",
    "missing_models",
    "model_named",
    "model_path",
    "models",
    "models_needed",
    "verify",
    "weights_folder",
]

_HOMES = {
    "ALIASES": "catalogue",
    "MODELS": "catalogue",
    "DownloadProgress": "progress",
    "ModelState": "states",
    "Verification": "manifest",
    "WeightsModel": "catalogue",
    "download": "downloading",
    "missing_models": "states",
    "model_named": "catalogue",
    "model_path": "states",
    "models": "states",
    "models_needed": "catalogue",
    "verify": "states",
    "weights_folder": "folders",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 – whatever the name stands for
    """Open the module of a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
