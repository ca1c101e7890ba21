"""The spine: vertebrae from a CT, and whether their names can be trusted.

Importing this package loads nothing heavy; the names below open their module on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.spine.audit import NumberingAudit, audit_numbering
    from engine.spine.phantoms import SpinePhantom, spine_phantom
    from engine.spine.vertebrae import LABELS, Vertebra

__all__ = [
    "LABELS",
    "NumberingAudit",
    "SpinePhantom",
    "Vertebra",
    "audit_numbering",
    "spine_phantom",
]

_HOMES = {
    "LABELS": "vertebrae",
    "NumberingAudit": "audit",
    "SpinePhantom": "phantoms",
    "Vertebra": "vertebrae",
    "audit_numbering": "audit",
    "spine_phantom": "phantoms",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 – whatever the name stands for
    """Open the module of a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
