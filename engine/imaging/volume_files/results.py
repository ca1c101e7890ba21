"""What goes into reading a volume and what comes out: limits, forecast, result.

Only records; opens no library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import TooLargeError
from engine.imaging.volumes import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = [
    "ReadForecast",
    "ReadVolume",
    "SeriesNote",
    "VolumeKind",
    "VolumeLimits",
    "Watch",
]

VolumeKind = Literal["dicom", "nifti", "nrrd", "mha"]
"""What the files were, by their content and never by a name."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeLimits:
    """How much may be sent. MB are 10⁶ bytes.

    ``max_bytes``: all files as sent. ``max_unpacked_bytes``: all files of an archive, unpacked.
    ``max_ratio``: unpacked to packed size of an archive of more than ``ratio_from_bytes``; CTs
    pack to a half or a fifth, bombs to a thousandth. ``max_files``: files in an archive, a folder
    or a list. ``max_voxels``: the volume itself, 4 bytes each.
    """

    max_bytes: int = 2_000_000_000
    max_unpacked_bytes: int = 4_000_000_000
    max_ratio: float = 100.0
    ratio_from_bytes: int = 100_000_000
    max_files: int = 10_000
    max_voxels: int = 1_000_000_000

    def check_voxels(self, shape: tuple[int, int, int]) -> None:
        """Raise TooLargeError when a volume of ``shape`` has too many voxels."""
        count = shape[0] * shape[1] * shape[2]
        if count > self.max_voxels:
            raise TooLargeError(
                f"The CT has {'×'.join(map(str, shape))} voxels ({count / 1e6:,.0f} million), but "
                f"at most {self.max_voxels / 1e6:,.0f} million are accepted; cut it to the spine."
            )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesNote:
    """One series that was found, described by technical facts only.

    ``slices`` counts pictures. ``reason`` says why it was chosen or left out.
    """

    description: str
    slices: int
    reason: str
    is_usable: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadForecast:
    """What reading will take, told from headers before a voxel is read.

    ``need_mb``: memory at the peak, the volume itself included. ``what`` names the step, as
    ``MemoryGuard.require(need_mb, what=…)`` wants it. The rest is what headers tell of the answer:
    see :class:`ReadVolume`; ``spacing_mm`` is None where a header says nothing of it.
    """

    shape: tuple[int, int, int]
    need_mb: float
    what: str
    spacing_mm: tuple[float, float, float] | None = None
    kind: VolumeKind | None = None
    series: SeriesNote | None = None
    others: tuple[SeriesNote, ...] = ()

    @classmethod
    def of(
        cls,
        shape: tuple[int, int, int],
        *,
        more_bytes: float = 0.0,
        affine: NDArray[np.float64] | None = None,
        kind: VolumeKind | None = None,
        series: SeriesNote | None = None,
        others: tuple[SeriesNote, ...] = (),
    ) -> ReadForecast:
        """Forecast a float32 volume of ``shape`` and ``more_bytes`` beside it."""
        i, j, k = shape
        spacing = None
        if affine is not None:
            x, y, z = np.linalg.norm(affine[:3, :3], axis=0).tolist()
            spacing = (x, y, z)
        return cls(
            shape=shape,
            need_mb=(i * j * k * 4 + more_bytes) / 1e6,
            what=f"reading a CT of {i}×{j}×{k} voxels",
            spacing_mm=spacing,
            kind=kind,
            series=series,
            others=others,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who listens to a reading; by default nobody.

    ``before_reading`` gets the forecast and may raise, so that a memory guard, which imaging does
    not know, can stop it. ``on_progress`` gets slices done and slices in all; raising cancels.
    """

    before_reading: Callable[[ReadForecast], object] = lambda _: None
    on_progress: Callable[[int, int], object] = lambda _done, _total: None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVolume:
    """A volume in HU and what a person should know about how it was read.

    ``frame`` names the axes that voxel indices of ``volume`` count along, for whoever looks into
    the file with another program. ``removed`` are names of header fields that were taken out or
    replaced, never their values. ``headers`` are de-identified DICOM headers, one for each plane
    k, or none when the file is not DICOM or planes had to be interpolated.
    """

    volume: Volume
    kind: VolumeKind
    series: SeriesNote
    others: tuple[SeriesNote, ...]
    frame: str
    removed: tuple[str, ...]
    warnings: tuple[str, ...]
    headers: tuple[Dataset, ...] = ()
