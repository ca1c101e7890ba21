"""The seam between a CT and whoever finds vertebrae in it: what goes in, what comes out.

Only records and a Protocol; knows no backend. The backends are opened by
:func:`engine.spine.backends.open_segmenter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.imaging.volumes import Volume
from engine.spine.audit import Anchors
from engine.spine.choices import BACKENDS, TASKS, Backend, Task
from engine.spine.vertebrae import VERSE_CODES, Point

__all__ = [
    "BACKENDS",
    "LABEL_NAMES",
    "SACRUM_CODE",
    "TASKS",
    "Backend",
    "Forecast",
    "Progress",
    "RunWatch",
    "Segmentation",
    "SpineSegmenter",
    "Task",
]

SACRUM_CODE = 26
"""Sacrum or S1 in label maps: a landmark, never listed as a vertebra that was found."""

LABEL_NAMES: Mapping[int, str] = MappingProxyType({**VERSE_CODES, SACRUM_CODE: "S1"})
"""Every value above 0 that a label map may hold: VerSe's codes (1 C1 … 24 L5, 25 L6, 28 T13) and
26 for sacrum or S1."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a segmentation will take on this machine: ``seconds``, ``memory_mb`` beside the CT.

    ``what`` names the step for a sentence, such as "finding vertebrae in 512×512×275 voxels".
    """

    seconds: float
    memory_mb: float
    what: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a segmentation is.

    ``step`` is a short stable word ("resampling", "network"). ``done`` is in 0..1 of the *whole*
    call and never falls. ``text`` is for people: "Patch 3 of 12".

    Raises
    ------
    RequestError
        When ``done`` leaves 0..1.
    """

    step: str
    done: float
    text: str

    def __post_init__(self) -> None:
        if not 0.0 <= self.done <= 1.0:
            raise RequestError(f"Progress has to be in 0..1, but {self.step} said {self.done}.")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunWatch:
    """Who listens to a segmentation; by default nobody.

    ``on_progress`` is called often (each patch); raising from it cancels, and the exception reaches
    the caller of ``segment`` as it is. ``before`` is told the MB that the work is going to take and
    the step in words, before the memory is taken; it may raise MemoryShortError.
    """

    on_progress: Callable[[Progress], object] = lambda _: None
    before: Callable[[float, str], object] = lambda _need_mb, _what: None


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Segmentation:
    """A label map and what its finder thinks of it.

    ``labels`` is ``(I, J, K) uint8`` on the grid of the volume that was given, with
    :data:`LABEL_NAMES` and 0 elsewhere. ``whole`` says whether arches and processes are labelled
    (False: bodies only). ``anchors`` are landmarks in RAS+ mm. ``confidences`` is the model's own
    opinion of each code, 0..1 (1 where it has none). ``agreement`` is, for each code, the share of
    looks (the first, and flipped or cropped ones) that gave the object the same name; None when
    there was one look only. ``centres_mm`` are body centres in RAS+ mm, when the finder knows them
    better than measuring the map tells. ``model`` is a name and version, ``notes`` sentences for
    the reader.

    Raises
    ------
    RequestError
        When the labels are not three-dimensional uint8, or a share leaves 0..1.
    """

    labels: NDArray[np.uint8]
    whole: bool
    anchors: Anchors
    confidences: Mapping[int, float]
    agreement: Mapping[int, float] | None = None
    centres_mm: Mapping[int, Point] | None = None
    model: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.labels.ndim != 3 or self.labels.dtype != np.uint8:
            raise RequestError(
                f"Expected labels (I, J, K) of uint8, but got {self.labels.shape} of "
                f"{self.labels.dtype}."
            )
        for name, shares in (("confidences", self.confidences), ("agreement", self.agreement)):
            for code, share in (shares or {}).items():
                if not 0.0 <= share <= 1.0:
                    raise RequestError(f"{name} has to be in 0..1, but code {code} has {share}.")


class SpineSegmenter(Protocol):
    """Whoever finds and names vertebrae in a CT.

    Opening one is cheap: libraries and weights are loaded by :meth:`segment`.
    """

    @property
    def name(self) -> Backend:
        """Which of the backends this is."""
        ...

    def forecast(
        self, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
    ) -> Forecast:
        """Return what a CT of ``shape`` voxels takes, from its header's figures alone."""
        ...

    def missing(self) -> str | None:
        """Return a sentence that says what to install or download; None when all is there."""
        ...

    def segment(self, volume: Volume, watch: RunWatch) -> Segmentation:
        """Find vertebrae in a volume of any axis order; labels come back on its own grid.

        Raises
        ------
        MissingBackendError, ModelError
            When a library or the weights are not there, or not as they were.
        MemoryShortError
            From ``watch.before``, before the memory is taken.
        """
        ...
