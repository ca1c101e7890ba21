"""Files that a detection can be taken away in: ``EXPORTS`` names them all.

Each is made on demand from the folder of a saved detection and given back as bytes. Importing this
package loads nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.spine.exports.registry import EXPORTS, Export, make_export

__all__ = ["EXPORTS", "Export", "make_export"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 – whatever the name stands for
    """Open the registry on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("engine.spine.exports.registry"), name)
