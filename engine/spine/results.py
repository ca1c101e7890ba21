"""What a detection answers: frozen records, no JSON (:mod:`engine.spine.documents`), no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.imaging.volume_files.results import ReadVolume, SeriesNote, VolumeKind
from engine.imaging.volumes import AxisTurn, Volume
from engine.spine.audit import Anchors, NumberingAudit
from engine.spine.segmenters import Backend, Task
from engine.spine.vertebrae import Bounds, Vertebra

__all__ = [
    "Detection",
    "Findings",
    "FoundVertebra",
    "Grid",
    "ReadFacts",
    "VoxelBounds",
    "VoxelPoint",
]

VoxelPoint = tuple[float, float, float]
"""(x, y, z): indices along the axes i, j, k of the uploaded array; whole numbers are centres."""

VoxelBounds = tuple[tuple[int, int, int], tuple[int, int, int]]
"""First and last voxel (inclusive) along the axes i, j, k of the uploaded array."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Grid:
    """Where the voxels of an uploaded CT lie: ``shape``, and ``affine`` (4, 4) to RAS+ mm."""

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @classmethod
    def of(cls, volume: Volume) -> Grid:
        """Return the grid of a volume."""
        return cls(shape=volume.shape, affine=volume.affine)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along i, j, k in mm."""
        return self._empty().spacing_mm

    @property
    def axis_codes(self) -> tuple[str, str, str]:
        """Where each axis points, such as ``("L", "P", "S")``."""
        return self._empty().axis_codes

    @property
    def fov_mm(self) -> Bounds:
        """The box in RAS+ mm around all voxels."""
        from engine.spine.measures import field_of_view  # scipy waits until it is needed

        return field_of_view(self.shape, self.affine)

    def canonical(self) -> tuple[Grid, AxisTurn]:
        """Return the grid with axes closest to R, A, S, and the turn that leads back."""
        volume, turn = self._empty().canonical()
        return Grid.of(volume), turn

    def _empty(self) -> Volume:
        # One voxel seen everywhere: the axes are a volume's own business, and take no memory.
        voxels = np.broadcast_to(np.zeros((), np.float32), self.shape)
        return Volume(voxels=voxels, affine=self.affine)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Every vertebra of one CT and whether the names can be trusted, without any voxels.

    ``found`` runs from the head down; ``audit`` indexes into it. ``model`` is a name and version.
    ``shift`` says by how many levels a person moved all names. ``timings_ms`` has one entry for
    each step, in order. ``whole`` is False when only bodies were labelled.

    What the audit was made from, so that it can be made again: ``anchors``; ``own``, the finder's
    own confidences in the order of ``found`` (empty: it has none); ``agreement`` likewise (None:
    not tried); ``transitional``, whether T13, L6 and the like were considered; ``has_sacrum``,
    whether the label map holds a sacrum beside the vertebrae.
    """

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
    has_sacrum: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Detection(Findings):
    """Findings with their CT and label map.

    ``labels`` is ``(I, J, K) uint8`` on the grid of ``volume``, the CT as it was uploaded, with
    :data:`engine.spine.segmenters.LABEL_NAMES`.

    Raises
    ------
    RequestError
        When the labels do not lie on the grid of the volume.
    """

    volume: Volume
    labels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.labels.shape != self.volume.shape or self.labels.dtype != np.uint8:
            raise RequestError(
                f"Expected labels {self.volume.shape} of uint8 as the CT, but got "
                f"{self.labels.shape} of {self.labels.dtype}."
            )

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        return Grid.of(self.volume)
