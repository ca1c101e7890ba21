"""The ``embedded`` backend: always there, no download, a small network and what we know of spines.

Opens the shipped model on first use. Finds the row of bodies, names it, labels the voxels, and
where time allows looks again at the CT flipped and shifted, to tell how far its names agree.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import MissingBackendError, ModelError
from engine.imaging.volumes import Volume
from engine.shipped import shipped
from engine.spine.audit import Anchors
from engine.spine.embedded import labelling
from engine.spine.embedded.column import Body, find_column
from engine.spine.embedded.landmarks import read_landmarks
from engine.spine.embedded.maps import SpineMaps
from engine.spine.embedded.naming import Naming, name_column, read_evidence
from engine.spine.embedded.reading import Change, Network, coarse_of, count_tiles, read_maps
from engine.spine.embedded.targets import GRID_MM
from engine.spine.phantoms.sizes import LABEL_CODES
from engine.spine.segmenters import Forecast, Progress, RunWatch, Segmentation

if TYPE_CHECKING:
    from engine.inference.cards import ModelCard
    from engine.inference.runtimes import Runtime
    from engine.settings import Precision, Settings

__all__ = ["EmbeddedSegmenter", "Found", "find_vertebrae"]

MODEL_FOLDER: Final = ("models", "spine")
REPETITIONS: Final[tuple[Change, ...]] = ("flipped", "shifted")
REPEATING_S = 2.5
"""Repetitions are made as long as one more ends within this many seconds of the first."""
SAME_BODY_MM = 10.0

# Seconds and MB, measured on two cores: fixed, per million voxels of the CT, and per million
# voxels of 4 mm that the network sees; one tile of them is at work at a time.
FIXED_S, VOXELS_S, GRID_S = 1.5, 0.03, 1.0
FIXED_MB, VOXELS_MB, GRID_MB, TILE_MB, MOST_TILE_MB = 300.0, 2.5, 110.0, 300.0, 400.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Named bodies from the head down; ``anchors`` are what was seen beside them."""

    bodies: tuple[Body, ...]
    naming: Naming | None
    anchors: Anchors

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bodies, from the head down."""
        return self.naming.names if self.naming else ()


@final
class EmbeddedSegmenter:
    """Finds vertebrae by the network that ships with the program.

    ``network`` replaces it (tests); by default it is opened from ``model`` on first use.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        model: Path | None = None,
        network: Network | None = None,
        repeating_s: float = REPEATING_S,
    ) -> None:
        self._settings = settings
        self._model = model
        self._network = network
        self._label = "embedded" if network is not None else ""
        self._repeating_s = repeating_s

    @property
    def name(self) -> Literal["embedded"]:
        """Which of the backends this is."""
        return "embedded"

    def forecast(
        self, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
    ) -> Forecast:
        """Return what a CT of ``shape`` voxels takes: it grows linearly with voxels and mm³."""
        voxels = math.prod(shape) / 1e6
        grid = (
            math.prod(n * spacing / GRID_MM for n, spacing in zip(shape, spacing_mm, strict=True))
            / 1e6
        )
        return Forecast(
            seconds=FIXED_S
            + VOXELS_S * voxels
            + GRID_S * grid
            + min(len(REPETITIONS) * GRID_S * grid, self._repeating_s),
            memory_mb=FIXED_MB
            + VOXELS_MB * voxels
            + GRID_MB * grid
            + min(TILE_MB * grid, MOST_TILE_MB),
            what=f"finding vertebrae in {'×'.join(str(n) for n in shape)} voxels",
        )

    def missing(self) -> str | None:
        """Return why the shipped model cannot be used; None when it is whole."""
        if self._network is not None:
            return None
        from engine.inference import cards

        try:
            cards.load(self._model or shipped(*MODEL_FOLDER))
        except (ModelError, MissingBackendError) as error:
            return f"The spine model that belongs to the program is damaged: {error}"
        return None

    def segment(self, volume: Volume, watch: RunWatch) -> Segmentation:
        """Find vertebrae in a volume of any axis order; labels come back on its own grid.

        Raises
        ------
        ModelError
            When the shipped model is damaged.
        MemoryShortError
            From ``watch.before``.
        """
        forecast = self.forecast(volume.shape, volume.spacing_mm)
        watch.before(forecast.memory_mb, forecast.what)
        watch.on_progress(Progress(step="resampling", done=0.02, text="Resampling to 4 mm"))
        coarse = coarse_of(volume)
        watch.on_progress(Progress(step="opening", done=0.10, text="Opening the network"))
        network = self._opened()
        tiles = count_tiles(coarse)

        def told(done: int, of: int) -> None:
            text = f"Patch {done} of {of}" if tiles > 1 else "Looked at the CT"
            watch.on_progress(Progress(step="network", done=0.2 + 0.3 * done / of, text=text))

        start = time.perf_counter()
        maps = read_maps(coarse, network, on_tile=told)
        took = time.perf_counter() - start
        found = find_vertebrae(maps)
        shares = _agreement(found, lambda change: read_maps(coarse, network, change=change),
                            took_s=took, budget_s=self._repeating_s, watch=watch)  # fmt: skip
        watch.on_progress(Progress(step="labelling", done=0.7, text="Labelling vertebrae"))
        labels = _labelled(maps, found, volume)
        watch.on_progress(Progress(step="labelling", done=1.0, text="Vertebrae are labelled"))
        return Segmentation(
            labels=labels,
            whole=True,
            anchors=found.anchors,
            confidences=_confidences(found),
            agreement=shares,
            centres_mm={
                LABEL_CODES[name]: body.centre_mm
                for name, body in zip(found.names, found.bodies, strict=True)
            },
            model=self._label,
            notes=_notes(found),
        )

    def _opened(self) -> Network:
        if self._network is None:
            card, runtime = self._open(self._settings.precision)
            self._label = card.label
            self._network = runtime.run
        return self._network

    def _open(self, precision: Precision) -> tuple[ModelCard, Runtime]:
        """Open the model; ``auto`` is bf16 where the processor has it.

        A trial of both, as the runtimes make for ``auto``, takes longer than one CT, and the row of
        bodies that comes out is the same.
        """
        from engine.inference.runtimes import open_model

        folder, threads = self._model or shipped(*MODEL_FOLDER), self._settings.threads or None
        if precision != "auto":
            return open_model(folder, device="cpu", precision=precision, threads=threads)
        try:
            return open_model(folder, device="cpu", precision="bf16", threads=threads)
        except MissingBackendError:
            return open_model(folder, device="cpu", precision="f32", threads=threads)


def find_vertebrae(maps: SpineMaps) -> Found:
    """Find and name the bodies in the network's maps."""
    bodies = find_column(maps)
    if not bodies:
        return Found(bodies=(), naming=None, anchors=Anchors())
    landmarks = read_landmarks(maps, bodies)
    naming = name_column(read_evidence(maps, bodies, landmarks))
    return Found(bodies=bodies, naming=naming, anchors=landmarks.anchors())


def _labelled(maps: SpineMaps, found: Found, volume: Volume) -> NDArray[np.uint8]:
    upright, turn = volume.canonical()
    if not found.bodies:
        return np.zeros(volume.shape, np.uint8)
    labels = labelling.label_map(maps, found.bodies, found.names, upright)
    return np.ascontiguousarray(turn.back(labels))


def _agreement(
    found: Found,
    repeat: Callable[[Change], SpineMaps],
    *,
    took_s: float,
    budget_s: float,
    watch: RunWatch,
) -> dict[int, float] | None:
    """Return for each code the share of looks, the first one included, that gave the body its name.

    With the first one included, because one repetition that counts otherwise leaves doubt, and no
    certainty that the name is wrong.
    """
    if not found.bodies:
        return None
    votes: list[list[bool]] = []
    for number, change in enumerate(REPETITIONS):
        if took_s * (number + 1) > budget_s:
            break
        again = find_vertebrae(repeat(change))
        votes.append(_same_names(found, again))
        watch.on_progress(
            Progress(
                step="checking",
                done=0.5 + 0.1 * (number + 1),
                text="Looked again, changed a little",
            )
        )
    if not votes:
        return None
    shares = (1.0 + np.sum(votes, axis=0)) / (1.0 + len(votes))
    return {
        LABEL_CODES[name]: float(share) for name, share in zip(found.names, shares, strict=True)
    }


def _same_names(found: Found, again: Found) -> list[bool]:
    """Tell for each body whether one in the same place carries the same name."""
    if not again.bodies:
        return [False] * len(found.bodies)
    places = np.array([body.centre_mm for body in again.bodies])
    same = []
    for body, name in zip(found.bodies, found.names, strict=True):
        apart = np.linalg.norm(places - np.array(body.centre_mm), axis=1)
        nearest = int(apart.argmin())
        same.append(bool(apart[nearest] <= SAME_BODY_MM) and again.names[nearest] == name)
    return same


def _confidences(found: Found) -> dict[int, float]:
    """Probability that a body is there, times that of its name."""
    if found.naming is None:
        return {}
    return {
        LABEL_CODES[name]: float(np.clip(_presence(body) * chance, 0.0, 1.0))
        for name, body, chance in zip(found.names, found.bodies, found.naming.chances, strict=True)
    }


def _presence(body: Body) -> float:
    """Return how likely there is a body, from the height of its hill and the spine around it."""
    heat = 1.0 / (1.0 + math.exp(-(body.heat - 0.2) / 0.1))
    spine = 1.0 / (1.0 + math.exp(-(body.evidence - 0.25) / 0.1))
    return min(0.5 * (heat + spine), 0.995)


def _notes(found: Found) -> tuple[str, ...]:
    missing = [
        f"{above} and {below}"
        for above, below, body in zip(found.names, found.names[1:], found.bodies[1:], strict=False)
        if body.skipped
    ]
    return tuple(
        f"Between {pair} a vertebra seems to be missing: none could be told there."
        for pair in missing
    )
