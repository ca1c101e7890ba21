"""Files that hold a CT, read into a volume: ``read_volume`` and what goes in and comes out.

Opens nothing heavy until a name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.imaging.volume_files.reading import read_volume
    from engine.imaging.volume_files.results import (
        ReadForecast,
        ReadVolume,
        SeriesNote,
        VolumeLimits,
    )

__all__ = ["ReadForecast", "ReadVolume", "SeriesNote", "VolumeLimits", "read_volume"]

_HOMES = {
    "ReadForecast": "results",
    "ReadVolume": "results",
    "SeriesNote": "results",
    "VolumeLimits": "results",
    "read_volume": "reading",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
