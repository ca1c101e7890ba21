"""Pictures of a saved detection: slices, label slices, the spine in three dimensions.

Everything is drawn from the folder of a :class:`~engine.spine.saved.SavedDetection` and given back
as PNG bytes. Importing this package loads nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.spine.pictures.colours import LABEL_COLOURS, palette_json
    from engine.spine.pictures.meshes import Mesh, meshes_of
    from engine.spine.pictures.rendering import spine_png
    from engine.spine.pictures.slices import label_slice_png, slice_png
    from engine.spine.pictures.views import PLANES, View, view_geometry, view_of
    from engine.spine.pictures.windows import WINDOWS, Window, window_of, windows_json

__all__ = [
    "LABEL_COLOURS",
    "PLANES",
    "WINDOWS",
    "Mesh",
    "View",
    "Window",
    "label_slice_png",
    "meshes_of",
    "palette_json",
    "slice_png",
    "spine_png",
    "view_geometry",
    "view_of",
    "window_of",
    "windows_json",
]

_HOMES = {
    "LABEL_COLOURS": "colours",
    "PLANES": "views",
    "WINDOWS": "windows",
    "Mesh": "meshes",
    "View": "views",
    "Window": "windows",
    "label_slice_png": "slices",
    "meshes_of": "meshes",
    "palette_json": "colours",
    "slice_png": "slices",
    "spine_png": "rendering",
    "view_geometry": "views",
    "view_of": "views",
    "window_of": "windows",
    "windows_json": "windows",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 – whatever the name stands for
    """Open the module of a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
