"""A CT whose grey values hold the answer, and a segmenter that reads them: exact, no model."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import nibabel
import numpy as np

from engine.imaging.volume_files.results import ReadVolume, SeriesNote
from engine.imaging.volumes import Volume
from engine.spine.audit import Anchors
from engine.spine.phantoms import SpinePhantom, spine_phantom
from engine.spine.segmenters import (
    LABEL_NAMES,
    Backend,
    Forecast,
    Progress,
    RunWatch,
    Segmentation,
)

_FIRST_HU, _STEP_HU = 600, 20


@lru_cache(maxsize=4)
def lumbar_phantom(spacing_mm: float = 4.0) -> SpinePhantom:
    """T11 to the sacrum of one patient."""
    return spine_phantom(
        np.random.default_rng(5), levels=("T11", "L5"), spacing_mm=spacing_mm, fov_mm=(180, 180)
    )


def coded_volume(phantom: SpinePhantom) -> Volume:
    """The phantom's CT with 600 + 20 times the code in each labelled voxel, below 600 elsewhere."""
    hu = np.minimum(phantom.volume.voxels, _FIRST_HU - _STEP_HU)
    coded = _FIRST_HU + _STEP_HU * phantom.labels.astype(np.float32)
    return Volume(
        voxels=np.where(phantom.labels > 0, coded, hu).astype(np.float32),
        affine=phantom.volume.affine,
    )


def read_of(volume: Volume) -> ReadVolume:
    """A volume as if it had been read from a NIfTI file."""
    note = SeriesNote(description="a phantom", slices=volume.shape[2], reason="", is_usable=True)
    return ReadVolume(
        volume=volume,
        kind="nifti",
        series=note,
        others=(),
        frame="array indices (i, j, k) of the NIfTI file, from 0",
        removed=(),
        warnings=(),
    )


def write_nifti(volume: Volume, path: Path) -> Path:
    """Write a volume as int16 NIfTI."""
    image = nibabel.Nifti1Image(np.rint(volume.voxels).astype(np.int16), volume.affine)
    image.to_filename(path)
    return path


class OracleSegmenter:
    """Reads the codes back from the grey values; tells progress in ten steps."""

    name: Backend = "embedded"

    def __init__(self, *_: object, memory_mb: float = 50.0, **__: object) -> None:
        self._memory_mb = memory_mb

    def forecast(
        self,
        shape: tuple[int, int, int],
        spacing_mm: tuple[float, float, float],
    ) -> Forecast:
        """Say half a second."""
        words = "×".join(map(str, shape))
        return Forecast(seconds=0.5, memory_mb=self._memory_mb, what=f"finding in {words} voxels")

    def missing(self) -> str | None:
        """Nothing is ever missing."""
        return None

    def segment(self, volume: Volume, watch: RunWatch) -> Segmentation:
        """Read the codes."""
        watch.before(self._memory_mb, "reading the oracle")
        for step in range(1, 11):
            watch.on_progress(
                Progress(step="oracle", done=step / 10, text=f"Question {step} of 10")
            )
        codes = np.rint((volume.voxels - _FIRST_HU) / _STEP_HU)
        codes[~np.isin(codes, list(LABEL_NAMES))] = 0
        labels = codes.astype(np.uint8)
        return Segmentation(
            labels=labels,
            whole=True,
            anchors=Anchors(sacrum_mm=_centre_of_sacrum(labels, volume)),
            confidences={code: 0.9 for code in np.unique(labels).tolist() if code},
            model="oracle 1",
            notes=("The answer is written into the picture.",),
        )


def _centre_of_sacrum(labels: np.ndarray, volume: Volume) -> tuple[float, float, float] | None:
    voxels = np.argwhere(labels == 26)
    if not len(voxels):
        return None
    top = volume.world(voxels)
    top = top[top[:, 2] > top[:, 2].max() - 30.0]
    x, y, z = top.mean(axis=0).tolist()
    return x, y, z
