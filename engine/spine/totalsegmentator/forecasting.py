"""What a run takes, from the header's figures: memory of all its processes together, and time.

The constants were measured on runs of TotalSegmentator 2.18 with nnunetv2 2.8 on CPU: 118 and 25
classes, patches of 64 and 128, networks of 4 and 32 channels; the largest resident size of the
worker, and the proportional sizes of all processes added up. With the sizes of the published 3 mm
model on 122×101×112 voxels the worker had 4.9 GB and its largest child 1.5 GB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from engine.spine.segmenters import Forecast, Task
from engine.spine.weights.catalogue import WeightsModel, models_needed
from engine.spine.weights.folders import model_folder, read_json

if TYPE_CHECKING:
    from engine.settings import Settings

__all__ = ["forecast_run"]

_START_S = 12.0
"""Libraries are loaded three times: in the worker and in two processes that nnU-Net starts."""
_TILE_S = 9.0
"""One tile of 128³ voxels in a full-size network on one core of 2024."""
_GPU_TILE_S = 0.2
_VOXEL_S = 1.2e-7
"""Resampling there and back, for each voxel of the CT."""

_BASE_MB, _EXPORT_MB = 1300.0, 1500.0
_CT_BYTES = 24.0
"""For each voxel of the CT: double-precision copies that stay during the run."""
_LOGIT_BYTES, _TILE_LOGIT_BYTES, _EXPORT_BYTES = 2.0, 14.0, 9.0
"""For each class and voxel: of the whole, of a tile, and of the whole while it is written."""
_FEATURE_BYTES = 25.0
"""For each voxel of a tile and channel of the network's first stage; gone before its logits."""
_SPINE_MM = (200.0, 200.0)
"""What the rough model leaves of a slice when only the spine is wanted."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Network:
    """``patch`` is the voxels on the sides of a tile; ``step`` the share by which tiles move."""

    patch: tuple[int, ...]
    classes: int
    features: int
    step: float
    spacing_mm: float


def forecast_run(
    settings: Settings,
    task: Task,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    *,
    threads: int,
) -> Forecast:
    """Return memory and time of a run on a CT of ``shape`` voxels.

    Patch, classes and channels are those of the installed plans, else those of the published ones.
    The time is a guess: it grows with the tiles of the network.
    """
    sides_mm = [n * mm for n, mm in zip(shape, spacing_mm, strict=True)]
    tile_s = _GPU_TILE_S if _has_gpu(settings) else _TILE_S / max(1, threads)
    seconds = _START_S + _VOXEL_S * math.prod(shape)
    memory_mb = 0.0
    for model in models_needed("totalsegmentator", task):
        network = _network_of(settings, model)
        region_mm = sides_mm
        if model.name == "total":  # it runs on what the rough model found
            region_mm = _cut_to_spine(sides_mm)
        voxels = [math.ceil(side / network.spacing_mm) for side in region_mm]
        size = math.prod(network.patch) / 128**3 * network.features / 32
        seconds += 5.0 + tile_s * size * _tiles(voxels, network)
        memory_mb = max(memory_mb, _memory_mb(voxels, network))
    return Forecast(
        seconds=seconds,
        memory_mb=memory_mb + _CT_BYTES * math.prod(shape) / 1e6,
        what=f"TotalSegmentator on {'×'.join(map(str, shape))} voxels",
    )


def _memory_mb(voxels: list[int], network: _Network) -> float:
    """Return the larger of what the network and what writing its result take."""
    tile = math.prod(network.patch)
    whole = math.prod(max(n, p) for n, p in zip(voxels, network.patch, strict=True))
    running = network.classes * _LOGIT_BYTES * whole
    running += tile * max(_TILE_LOGIT_BYTES * network.classes, _FEATURE_BYTES * network.features)
    writing = _EXPORT_BYTES * network.classes * whole
    return max(_BASE_MB + running / 1e6, _EXPORT_MB + writing / 1e6)


def _tiles(voxels: list[int], network: _Network) -> int:
    """Count the tiles of nnU-Net's sliding window.

    >>> network = _Network(patch=(64,) * 3, classes=2, features=4, step=0.8, spacing_mm=3.0)
    >>> _tiles([50, 50, 86], network)
    2
    """
    counts = (
        1 + math.ceil(max(0, n - p) / (p * network.step))
        for n, p in zip(voxels, network.patch, strict=True)
    )
    return math.prod(counts)


def _cut_to_spine(sides_mm: list[float]) -> list[float]:
    """Return the sides of the box around the spine; the longest side is taken for its length."""
    first, second, length = sorted(sides_mm)
    return [min(first, _SPINE_MM[0]), min(second, _SPINE_MM[1]), length]


_CLASSES: Mapping[str, int] = {
    "total_fast": 118,
    "total": 27,
    "total_rough": 118,
    "vertebrae_pp": 25,
}
_PATCH, _FEATURES = (128, 128, 128), 32


def _network_of(settings: Settings, model: WeightsModel) -> _Network:
    folder = model_folder(settings, model) / model.inner_folder
    plan = _plan(read_json(folder / "plans.json") or {})
    patch, features = plan.get("patch_size"), _first_features(plan)
    is_known = isinstance(patch, list) and len(patch) == 3 and features is not None
    return _Network(
        patch=tuple(int(side) for side in patch) if is_known and patch else _PATCH,
        classes=_CLASSES[model.name],
        features=features if is_known and features else _FEATURES,
        # Tiles of all variants of "total" overlap less (nnunet.py of TotalSegmentator).
        step=0.5 if model.name == "vertebrae_pp" else 0.8,
        spacing_mm=model.spacing_mm,
    )


def _plan(plans: Mapping[str, Any]) -> Mapping[str, Any]:
    found = plans.get("configurations", {})
    plan = found.get("3d_fullres") if isinstance(found, Mapping) else None
    return plan if isinstance(plan, Mapping) else {}


def _first_features(plan: Mapping[str, Any]) -> int | None:
    """Return the channels of the first stage, from newer plans or older ones."""
    architecture = plan.get("architecture")
    if isinstance(architecture, Mapping):
        stages = architecture.get("arch_kwargs", {}).get("features_per_stage", [])
        return int(stages[0]) if stages else None
    base = plan.get("UNet_base_num_features")
    return int(base) if base else None


def _has_gpu(settings: Settings) -> bool:
    return settings.device != "cpu" and Path("/dev/nvidia0").exists()
