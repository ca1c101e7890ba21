"""The numbering audit: whether the names of vertebrae can be trusted, and what else they may be.

Importing this package loads nothing heavy; the names below open their module on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.spine.audit.anchors import Anchors, find_anchors
    from engine.spine.audit.auditing import audit_numbering
    from engine.spine.audit.correcting import apply_correction, with_confidence
    from engine.spine.audit.findings import Alternative, Correction, Issue, NumberingAudit

__all__ = [
    "Alternative",
    "Anchors",
    "Correction",
    "Issue",
    "NumberingAudit",
    "apply_correction",
    "audit_numbering",
    "find_anchors",
    "with_confidence",
]

_HOMES = {
    "Alternative": "findings",
    "Anchors": "anchors",
    "Correction": "findings",
    "Issue": "findings",
    "NumberingAudit": "findings",
    "apply_correction": "correcting",
    "audit_numbering": "auditing",
    "find_anchors": "anchors",
    "with_confidence": "correcting",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 – whatever the name stands for
    """Open the module of a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
