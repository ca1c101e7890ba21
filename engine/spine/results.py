"""What a detection answers: frozen records, no JSON (:mod:`engine.spine.documents`), no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.imaging.volume_files.results import ReadVolume, SeriesNote, VolumeKind
from engine.imaging.volumes import Volume
from engine.spine.audit import Anchors, NumberingAudit
from engine.spine.segmenters import Backend, Task
from engine.spine.vertebrae import Vertebra

__all__ = ["Detection", "FoundVertebra", "ReadFacts", "VoxelBounds", "VoxelPoint"]

VoxelPoint = tuple[float, float, float]
"""(x, y, z): indices along the axes i, j, k of the uploaded array; whole numbers are centres."""

VoxelBounds = tuple[tuple[int, int, int], tuple[int, int, int]]
"""First and last voxel (inclusive) along the axes i, j, k of the uploaded array."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFacts:
    """What a person should know about how the CT was read; see ``ReadVolume`` for the fields."""

    kind: VolumeKind
    frame: str
    series: SeriesNote
    others: tuple[SeriesNote, ...] = ()
    removed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, read: ReadVolume) -> ReadFacts:
        """Return the facts of a reading, without its voxels and headers."""
        return cls(
            kind=read.kind,
            frame=read.frame,
            series=read.series,
            others=read.others,
            removed=read.removed,
            warnings=read.warnings,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FoundVertebra:
    """One vertebra, in the patient's millimetres (``vertebra``) and in voxels of the upload.

    ``code`` is its value in the label map. ``centre_voxel`` is ``vertebra.centre_mm`` as voxel
    index, ``bounds_voxel`` the box around its labelled voxels.
    """

    vertebra: Vertebra
    code: int
    centre_voxel: VoxelPoint
    bounds_voxel: VoxelBounds

    @property
    def label(self) -> str:
        """Its name."""
        return self.vertebra.label


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Detection:
    """Every vertebra of one CT, the label map, and whether the names can be trusted.

    ``labels`` is ``(I, J, K) uint8`` on the grid of ``volume``, the CT as it was uploaded.
    ``found`` runs from the head down; ``audit`` indexes into it. ``model`` is a name and version. ``shift``
    says by how many levels a person moved all names. ``timings_ms`` has one entry for each step,
    in order. ``transitional`` says whether T13, L6 and the like were considered in the audit.
    ``agreement`` holds the shares that the audit was given, in the order of ``found``; ``own``
    the finder's own confidences likewise, so that the audit can be made again.

    Raises
    ------
    RequestError
        When the labels do not lie on the grid of the volume.
    """

    volume: Volume
    labels: NDArray[np.uint8]
    found: tuple[FoundVertebra, ...]
    audit: NumberingAudit
    anchors: Anchors
    backend: Backend
    model: str
    task: Task | None
    facts: ReadFacts
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    shift: int = 0
    whole: bool = True
    transitional: bool = True
    own: tuple[float, ...] = ()
    agreement: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.labels.shape != self.volume.shape or self.labels.dtype != np.uint8:
            raise RequestError(
                f"Expected labels {self.volume.shape} of uint8 as the CT, but got "
                f"{self.labels.shape} of {self.labels.dtype}."
            )
