"""The eye check: from pictures of a person to one careful answer for each eye.

Importing this package loads nothing heavy; the names below open their module on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.eyes.results import EyeFinding, Screening
    from engine.eyes.screening import EyeScreener, screen

__all__ = ["EyeFinding", "EyeScreener", "Screening", "screen"]

_HOMES = {
    "EyeFinding": "results",
    "EyeScreener": "screening",
    "Screening": "results",
    "screen": "screening",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 – whatever the name stands for
    """Open the module of a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
