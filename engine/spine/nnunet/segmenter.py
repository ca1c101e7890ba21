"""Vertebrae by TotalSegmentator's weights in our own prediction: the backend ``nnunet``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.errors import MissingBackendError, ModelError
from engine.imaging.volumes import Volume
from engine.inference.openvino_library import is_installed
from engine.inference.processors import usable_cores
from engine.spine.audit import Anchors, find_anchors
from engine.spine.nnunet.bodies import separated_bodies
from engine.spine.nnunet.conversion import (
    CONVERSION_MB,
    ConvertedModel,
    converted_model,
    is_converted,
)
from engine.spine.nnunet.mapping import CodeTable, code_table
from engine.spine.nnunet.openvino_tiles import OpenVinoTiles, names_bf16
from engine.spine.nnunet.plans import Intensities, Plans, Triple, read_plans
from engine.spine.nnunet.prediction import Prediction, box_around, predict
from engine.spine.nnunet.resampling import GridChange, grid_change, to_grid
from engine.spine.nnunet.tiling import tile_starts
from engine.spine.segmenters import Forecast, Progress, RunWatch, Segmentation, Task
from engine.spine.vertebrae import Vertebra
from engine.spine.weights import missing_models, model_path

if TYPE_CHECKING:
    from engine.settings import Settings

__all__ = ["NnunetSegmenter", "TaskFacts"]

AIR_BELOW_HU: Final = -500.0
"""Below this there is air: outside the box around the rest, no vertebra is looked for."""

_TILE_VOXELS: Final = 128**3
_TILE_CORE_S: Final = 2.8
"""Processor seconds for a tile of 128³ in bf16, sums included (measured; f32: 2.2 times)."""
_F32_FACTOR: Final = 2.2
_START_S: Final = 2.5
_USUAL_PATCH: Final[Triple] = (128, 128, 128)

Labels = NDArray[np.uint8]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What TotalSegmentator 2.18 does for a task: spacing, step of the tiles, whole vertebrae."""

    spacing_mm: float
    step: float
    whole: bool
    number: int


_FACTS: Mapping[Task, TaskFacts] = MappingProxyType(
    {
        # nnunet.py: "Use fewer overlapping tiles for every resolution variant of the total …"
        "total_fast": TaskFacts(spacing_mm=3.0, step=0.8, whole=True, number=297),
        "total": TaskFacts(spacing_mm=1.5, step=0.8, whole=True, number=292),
        "vertebrae_pp": TaskFacts(spacing_mm=1.5, step=0.5, whole=False, number=803),
    }
)


@final
class NnunetSegmenter:
    """Runs one model of TotalSegmentator in OpenVINO; a ``SpineSegmenter``.

    ``model`` replaces the folder of the installed weights (with ``plans.json`` inside).
    """

    def __init__(
        self, settings: Settings, task: Task = "total_fast", *, model: Path | None = None
    ) -> None:
        self._settings = settings
        self._task = task
        self._facts = _FACTS[task]
        self._model = model

    @property
    def name(self) -> Literal["nnunet"]:
        """The backend's name."""
        return "nnunet"

    def missing(self) -> str | None:
        """Return what to install or download; None when all is there."""
        if not is_installed():
            return (
                "Running nnU-Net's weights needs the package 'openvino'; install it with: "
                "pip install 'openvino>=2026.2'."
            )
        if self._model is not None:
            return None
        return missing_models(self._settings, "nnunet", self._task)

    def forecast(
        self, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
    ) -> Forecast:
        """Return time and memory, from the header's figures and the plans where they are there."""
        change = grid_change(shape, spacing_mm, (self._facts.spacing_mm,) * 3)
        plans = self._plans_if_there()
        patch = _USUAL_PATCH if plans is None else plans.patch
        features = 32 if plans is None else plans.network.features[0]
        tiles = math.prod(
            len(tile_starts(max(side, tile), tile, self._facts.step))
            for side, tile in zip(change.after[::-1], patch, strict=True)
        )
        cost = tiles * math.prod(patch) / _TILE_VOXELS * (features / 32)
        speed = self._threads * (1.0 if self._is_bf16 else 1 / _F32_FACTOR)
        voxels = "×".join(map(str, shape))
        return Forecast(
            seconds=_START_S + cost * _TILE_CORE_S / speed,
            memory_mb=_memory_mb(change, patch, features, is_bf16=self._is_bf16),
            what=f"finding vertebrae in {voxels} voxels",
        )

    def segment(self, volume: Volume, watch: RunWatch) -> Segmentation:
        """Find vertebrae; labels come back on the volume's own grid.

        Raises
        ------
        MissingBackendError
            When OpenVINO or the weights are not there.
        ModelError
            When the weights are damaged, unsafe to read, or not those of a spine model.
        MemoryShortError
            From ``watch.before``.
        VolumeError
            When the CT is smaller than a voxel of the model.
        """
        lacking = self.missing()
        if lacking is not None:
            raise MissingBackendError(lacking)
        table = self._checked_labels()
        model = self._prepared(watch)
        forecast = self.forecast(volume.shape, volume.spacing_mm)
        watch.before(forecast.memory_mb, forecast.what)
        watch.on_progress(Progress(step="resampling", done=0.03, text="Resampling the CT"))
        ct, turn = volume.canonical()
        change = grid_change(ct.shape, ct.spacing_mm, model.plans.spacing_mm[::-1])
        prediction, precision = self._predicted(to_grid(ct, change), model, table, watch)
        watch.on_progress(Progress(step="labels", done=0.96, text="Bringing the labels back"))
        names = {code: name for code, name in model.plans.labels.items() if code}
        labels = prediction.labels.transpose(2, 1, 0)  # (z, y, x) -> (x, y, z)
        confidences = prediction.confidences
        if not self._facts.whole:
            before = labels
            labels = separated_bodies(labels, names, [float(s) for s in _single(ct, change)])
            confidences = _after_numbering(before, labels, confidences)
        anchors = _anchors(labels, change.affine(ct.affine), table)
        ours = turn.back(change.labels_back(table.to_ours[labels]))
        watch.on_progress(Progress(step="labels", done=1.0, text="Vertebrae are labelled"))
        return Segmentation(
            labels=np.ascontiguousarray(ours),
            whole=self._facts.whole,
            anchors=anchors,
            confidences={table.vertebrae[code]: share for code, share in confidences.items()},
            model=f"TotalSegmentator {self._task} ({self._facts.number}), OpenVINO {precision}",
        )

    @property
    def _threads(self) -> int:
        return self._settings.threads or usable_cores()

    @property
    def _is_bf16(self) -> bool:
        if self._settings.precision != "auto":
            return self._settings.precision == "bf16"
        return names_bf16()

    @property
    def _folder(self) -> Path:
        return self._model or model_path(self._settings, self._task)

    def _plans_if_there(self) -> Plans | None:
        try:
            return read_plans(self._folder)
        except ModelError:
            return None

    def _checked_labels(self) -> CodeTable:
        """Return the table of the model's codes, if it is a model of this task."""
        plans, own = read_plans(self._folder), self._facts.spacing_mm
        if max(abs(side - own) for side in plans.spacing_mm) > 1e-4:
            raise ModelError(
                f"Expected a model of {own:g} mm for the task {self._task}, but {self._folder} "
                f"works at {' × '.join(f'{side:g}' for side in plans.spacing_mm)} mm; use the "
                "published weights of that task."
            )
        return code_table(plans.labels, plans.dataset)

    def _prepared(self, watch: RunWatch) -> ConvertedModel:
        """Return the converted model, converting it with progress when that was never done."""
        cache = self._settings.home / "models" / "openvino"
        if not is_converted(self._folder, cache):
            watch.before(CONVERSION_MB, "preparing the model once")
        began = time.monotonic()

        def on_wait() -> None:
            seconds = time.monotonic() - began
            text = f"Preparing the model once: {seconds:.0f} s"
            watch.on_progress(Progress(step="model", done=0.01, text=text))

        watch.on_progress(Progress(step="model", done=0.0, text="Opening the model"))
        return converted_model(self._folder, cache, on_wait=on_wait)

    def _predicted(
        self, hu: NDArray[np.float32], model: ConvertedModel, table: CodeTable, watch: RunWatch
    ) -> tuple[Prediction, str]:
        """Return labels ``(z, y, x)`` on the network's grid, and the precision of the network."""
        network = OpenVinoTiles(model, precision=self._settings.precision, threads=self._threads)
        inner = box_around(hu != 0)  # nnU-Net leaves out a frame of zeros
        box = tuple(slice(*side) for side in inner or ((0, side) for side in hu.shape))
        part = hu[box].transpose(2, 1, 0)  # (x, y, z) -> (z, y, x)
        prediction = predict(
            network,
            _normalised(part, model.plans.intensities),
            step=self._facts.step,
            tissue=part > AIR_BELOW_HU,
            judged=table.vertebrae,
            threads=self._threads,
            on_tile=_teller(watch),
        )
        if prediction.labels.shape == hu.shape[::-1]:
            return prediction, network.precision
        whole = np.zeros(hu.shape[::-1], np.uint8)
        whole[box[::-1]] = prediction.labels
        prediction = Prediction(
            labels=whole, confidences=prediction.confidences, tiles=prediction.tiles
        )
        return prediction, network.precision


def _teller(watch: RunWatch) -> Callable[[int, int], None]:
    def tell(done: int, count: int) -> None:
        text = f"Patch {min(done + 1, count)} of {count}"
        share = 0.05 + 0.9 * done / count
        watch.on_progress(Progress(step="network", done=share, text=text))

    return tell


def _normalised(hu: NDArray[np.float32], intensities: Intensities) -> NDArray[np.float32]:
    image = np.clip(hu, intensities.low_hu, intensities.high_hu, order="C")
    image -= intensities.mean_hu
    image /= max(intensities.std_hu, 1e-8)
    return image


def _single(ct: Volume, change: GridChange) -> NDArray[np.float32]:
    """Return the new grid's spacing as TotalSegmentator's headers say it."""
    return np.asarray(
        [own / zoom for own, zoom in zip(ct.spacing_mm, change.zoom, strict=True)], np.float32
    )


def _after_numbering(
    before: Labels, after: Labels, confidences: Mapping[int, float]
) -> dict[int, float]:
    """Return confidences of bodies that may carry new numbers.

    A body that was numbered anew gets the mean, over its voxels, of what the network thought of
    the codes that it had there before.
    """
    result = {}
    for code in np.unique(after[after > 0]).tolist():
        counts = np.bincount(before[after == code], minlength=256)
        counts[0] = 0
        had = {old: int(counts[old]) for old in np.flatnonzero(counts).tolist()}
        weight = sum(had.values())
        if weight:
            total = sum(confidences.get(old, 0.0) * count for old, count in had.items())
            result[code] = min(total / weight, 1.0)
    return result


def _anchors(labels: Labels, affine: NDArray[np.float64], table: CodeTable) -> Anchors:
    if not table.anchors:
        return Anchors()
    return find_anchors(labels, affine, _centres(labels, affine, table), codes=table.anchors)


def _centres(labels: Labels, affine: NDArray[np.float64], table: CodeTable) -> tuple[Vertebra, ...]:
    """Return where vertebrae are, by their centres of mass: enough to find what lies beside."""
    boxes = ndimage.find_objects(labels, max_label=max(table.vertebrae))
    found = []
    for code, name in table.vertebra_names.items():
        box = boxes[code - 1]
        if box is not None:
            inside = np.argwhere(labels[box] == code).mean(axis=0) + [side.start for side in box]
            x, y, z = (affine[:3, :3] @ inside + affine[:3, 3]).tolist()
            found.append(Vertebra(label=name, centre_mm=(x, y, z)))
    return tuple(found)


def _memory_mb(change: GridChange, patch: Triple, features: int, *, is_bf16: bool) -> float:
    """Forecast the highest use: libraries, the network's layers, sums, resampling and labels.

    18 bytes for each voxel and feature of a tile were measured with bf16 (1.4 GB in all for 128³).
    """
    network = math.prod(patch) * features * (18 if is_bf16 else 32)
    z, y, x = change.after[::-1]
    is_one_tile = all(side <= tile for side, tile in zip((z, y, x), patch, strict=True))
    slab = 0 if is_one_tile else 4 * (features + 1) * min(patch[0], z) * y * x
    grid = 16 * z * y * x  # CT numbers, normalised, padded, masks
    labels = 2 * math.prod(change.before)
    return 300 + (network + slab + grid + labels) / 1e6
