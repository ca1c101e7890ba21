"""Saved detections of shapes with known places and volumes, on grids of any axes and spacing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from engine.imaging.volume_files import read_volume
from engine.imaging.volume_files.results import ReadVolume, SeriesNote, VolumeKind
from engine.imaging.volumes import Volume
from engine.spine.audit import Anchors
from engine.spine.detecting import detect
from engine.spine.saved import SavedDetection, save
from engine.spine.segmenters import LABEL_NAMES, Backend, Forecast, RunWatch, Segmentation

CODES = {name: code for code, name in LABEL_NAMES.items()}
Shape = Callable[[NDArray], NDArray]
"""Points ``(…, 3)`` in RAS+ mm -> whether they are inside."""


def ball(centre: Sequence[float], radius: float) -> Shape:
    """A ball of 4/3 π r³."""
    return lambda points: np.linalg.norm(points - np.array(centre), axis=-1) <= radius


def ring(centre: Sequence[float], radius: float, thickness: float) -> Shape:
    """A lying torus of 2 π² R r², with a hole like that of a vertebra."""

    def inside(points: NDArray) -> NDArray:
        away = points - np.array(centre)
        across = np.hypot(away[..., 0], away[..., 1]) - radius
        return np.hypot(across, away[..., 2]) <= thickness

    return inside


def block(low: Sequence[float], high: Sequence[float]) -> Shape:
    """An upright box."""
    return lambda points: np.all((points >= np.array(low)) & (points <= np.array(high)), axis=-1)


SPINE: dict[str, Shape] = {
    name: ball((4.0 * step, -3.0 * step, -34.0 * step), 15.0)
    for step, name in enumerate(("T12", "L1", "L2", "L3", "L4"))
}
"""Five balls of 15 mm every 34 mm, running to the right and backwards on the way down."""


def grid_affine(
    axes: str = "RAS",
    spacing: Sequence[float] = (2.0, 2.0, 2.5),
    *,
    shape: Sequence[int] = (48, 44, 84),
    centre: Sequence[float] = (8.0, -6.0, -68.0),
    turn: NDArray | None = None,
) -> NDArray[np.float64]:
    """Return the affine of a grid around ``centre`` whose own axes point to ``axes``."""
    directions = {"R": (1, 0, 0), "A": (0, 1, 0), "S": (0, 0, 1)}
    directions |= {
        other: tuple(-np.array(directions[one]))
        for one, other in (("R", "L"), ("A", "P"), ("S", "I"))
    }
    affine = np.eye(4)
    affine[:3, :3] = np.array([directions[letter] for letter in axes], float).T * spacing
    if turn is not None:
        affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def points_of(shape: Sequence[int], affine: NDArray) -> NDArray[np.float64]:
    """Return RAS+ mm ``(I, J, K, 3)`` of each voxel."""
    index = np.moveaxis(np.indices(tuple(shape)), 0, -1)
    return index @ affine[:3, :3].T + affine[:3, 3]


@dataclass(frozen=True)
class Labelled:
    """A segmenter that gives back a label map that it was given."""

    labels: NDArray[np.uint8]
    model: str = "shapes 1"
    notes: tuple[str, ...] = ()
    name: Backend = "embedded"

    def forecast(self, *_: object) -> Forecast:
        """Say one second."""
        return Forecast(seconds=1.0, memory_mb=1.0, what="drawing shapes")

    def missing(self) -> str | None:
        """Lack nothing."""
        return None

    def segment(self, volume: Volume, watch: RunWatch) -> Segmentation:
        """Give the map back."""
        return Segmentation(
            labels=self.labels,
            whole=True,
            anchors=Anchors(),
            confidences={},
            model=self.model,
            notes=self.notes,
        )


def saved_shapes(
    folder: Path,
    shapes: dict[str, Shape] = SPINE,
    *,
    shape: Sequence[int] = (48, 44, 84),
    affine: NDArray[np.float64] | None = None,
    hu: Callable[[NDArray], NDArray] | None = None,
    headers: Sequence[Dataset] = (),
    kind: VolumeKind = "nifti",
    removed: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    model: str = "shapes 1",
) -> SavedDetection:
    """Draw shapes by name on a grid, detect and save them; ``hu`` gives CT numbers from points."""
    affine = grid_affine(shape=shape) if affine is None else affine
    labels = drawn_labels(shapes, shape, affine)
    voxels = np.where(labels > 0, 300.0, 40.0) if hu is None else hu(points_of(shape, affine))
    read = ReadVolume(
        volume=Volume(voxels=np.asarray(voxels, np.float32), affine=affine),
        kind=kind,
        series=SeriesNote(
            description="shapes", slices=int(shape[2]), reason="the only series", is_usable=True
        ),
        others=(),
        frame="array indices (i, j, k), from 0",
        removed=removed,
        warnings=warnings,
    )
    segmenter = Labelled(labels, model=model, notes=notes)
    return save(detect(read, segmenter), folder / "run", headers)


def drawn_labels(shapes: dict[str, Shape], shape: Sequence[int], affine: NDArray) -> NDArray:
    """Return the label map of shapes on a grid."""
    points = points_of(shape, affine)
    labels = np.zeros(tuple(shape), np.uint8)
    for name, inside in shapes.items():
        labels[inside(points)] = CODES[name]
    return labels


def saved_from_files(
    files: Path, folder: Path, shapes: dict[str, Shape], **segmenter: object
) -> SavedDetection:
    """Read a CT from files, draw shapes in its place as labels, detect and save."""
    read = read_volume(files)
    labels = drawn_labels(shapes, read.volume.shape, read.volume.affine)
    detection = detect(read, Labelled(labels, **segmenter))  # type: ignore[arg-type]
    return save(detection, folder / "run", read.headers)
