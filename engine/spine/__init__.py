"""The spine: vertebrae from a CT, and whether their names can be trusted.

Importing this package loads nothing heavy; the names below open their module on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.spine.audit import NumberingAudit, audit_numbering
    from engine.spine.backends import open_segmenter
    from engine.spine.detecting import detect, renamed
    from engine.spine.documents import detection_json
    from engine.spine.phantoms import SpinePhantom, spine_phantom
    from engine.spine.results import Detection, FoundVertebra
    from engine.spine.runner import SpineRunner
    from engine.spine.segmenters import SpineSegmenter
    from engine.spine.vertebrae import LABELS, Vertebra

__all__ = [
    "LABELS",
    "Detection",
    "FoundVertebra",
    "NumberingAudit",
    "SpinePhantom",
    "SpineRunner",
    "SpineSegmenter",
    "Vertebra",
    "audit_numbering",
    "detect",
    "detection_json",
    "open_segmenter",
    "renamed",
    "spine_phantom",
]

_HOMES = {
    "LABELS": "vertebrae",
    "Detection": "results",
    "FoundVertebra": "results",
    "NumberingAudit": "audit",
    "SpinePhantom": "phantoms",
    "SpineRunner": "runner",
    "SpineSegmenter": "segmenters",
    "Vertebra": "vertebrae",
    "audit_numbering": "audit",
    "detect": "detecting",
    "detection_json": "documents",
    "open_segmenter": "backends",
    "renamed": "detecting",
    "spine_phantom": "phantoms",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 – whatever the name stands for
    """Open the module of a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
