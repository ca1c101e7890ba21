"""Opens a trained model folder and answers pictures of any size: a class for every pixel."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError
from engine.inference import runtimes
from engine.inference.cards import FreeSizeSpec, ModelCard
from engine.inference.tiled import Source, Tiling, forecast_mb, run_tiled
from engine.inference.tiled_sources import ArraySource
from engine.memory_guard import MemoryGuard
from engine.segmentation.deciding import Deciding
from engine.segmentation.normalising import Normalisation, normalise
from engine.segmentation.precisions import precision_for
from engine.segmentation.results import Segmentation

__all__ = ["NORMALISED_BY", "TASK", "Segmenter", "open_segmenter"]

TASK: Final = "segmentation"
NORMALISED_BY: Final = "engine.segmentation.normalising.normalise"
_TILE_PX: Final = 512
_OVERLAP: Final = 0.25
_MOST_CLASSES: Final = 255
_NETWORK_BYTES_PER_PIXEL: Final = 400
"""What a U-Net holds for each pixel of its tile while it computes: about a hundred float32
channels of full size at once, an estimate."""


def open_segmenter(
    folder: str | Path,
    *,
    device: runtimes.Device = "auto",
    precision: runtimes.Precision = "auto",
    threads: int | None = None,
    guard: MemoryGuard | None = None,
) -> Segmenter:
    """Open a model folder after checking each of its files.

    ``device``, ``precision`` and ``threads`` as :func:`engine.inference.open_runtime`, but
    ``precision="auto"`` is chosen by masks (:mod:`engine.segmentation.precisions`); ``guard``
    keeps memory free, by default as much as everywhere.

    Raises
    ------
    ModelError
        When the folder is refused, or its model is not one that segments pictures.
    MissingBackendError
        When the library or the device that was asked for is not there.
    """
    files = runtimes.ModelFiles.load(folder)
    normalisation, tiling = _as_described(files.card)
    if precision == "auto":
        precision = precision_for(files, normalisation, threads=threads)
    runtime = runtimes.open_runtime(files, device=device, precision=precision, threads=threads)
    return Segmenter(files.card, runtime, normalisation, tiling, guard=guard)


@final
class Segmenter:
    """A model that is ready to answer, from any number of threads at once."""

    def __init__(
        self,
        card: ModelCard,
        runtime: runtimes.Runtime,
        normalisation: Normalisation,
        tiling: Tiling,
        *,
        guard: MemoryGuard | None = None,
    ) -> None:
        """Put together what :func:`open_segmenter` read; call that."""
        self._card = card
        self._runtime = runtime
        self._normalisation = normalisation
        self._tiling = tiling
        self._guard = MemoryGuard() if guard is None else guard

    @property
    def card(self) -> ModelCard:
        """What the model says about itself."""
        return self._card

    @property
    def classes(self) -> tuple[str, ...]:
        """Names by index; 0 is background."""
        return self._card.classes

    @property
    def normalisation(self) -> Normalisation:
        """How its pictures are normalised."""
        return self._normalisation

    @property
    def tiling(self) -> Tiling:
        """How its tiles lie."""
        return self._tiling

    @property
    def precision(self) -> str:
        """``"f32"`` or ``"bf16"``."""
        return self._runtime.precision

    def predict(
        self,
        picture: NDArray[np.generic] | Source,
        *,
        probabilities: bool = False,
        pixel_size_um: float | None = None,
        folder: Path | None = None,
        tell: Callable[[float, str], object] = lambda _done, _text: None,
        check: Callable[[], object] = lambda: None,
    ) -> Segmentation:
        """Say of each pixel what it shows.

        Parameters
        ----------
        picture
            an array as :class:`engine.inference.tiled_sources.ArraySource` takes, or a picture
            that is read part by part (:func:`engine.inference.tiled_sources.open_source`).
        probabilities
            keep those of all classes.
        pixel_size_um
            side of a pixel in µm, handed on to the result.
        folder
            where the arrays of a large picture are kept, as ``.npy`` files that are mapped into
            memory; None: in memory.
        tell
            told the part done (0..1) and a few words, after each tile.
        check
            called before each tile; raising from it ends the work.

        Raises
        ------
        PictureError
            When the array is no picture.
        MemoryShortError
            When it would not fit, or memory runs short on the way.
        ModelError
            When the network answers nonsense.
        """
        began = time.perf_counter()
        source = ArraySource(picture) if isinstance(picture, np.ndarray) else picture
        what = f"segmenting a picture of {source.width}×{source.height} pixels"
        self._guard.require(self._need_mb(source, probabilities=probabilities), what=what)
        levels = self._normalisation.measure(source)
        deciding = Deciding(
            (len(self.classes), source.height, source.width),
            temperature=self._card.temperature,
            probabilities=probabilities,
            folder=folder,
        )

        def looked() -> None:
            check()
            self._guard.require(0, what=what)

        for event in run_tiled(
            source,
            self.scores,
            deciding.take,
            tiling=self._tiling,
            prepare=lambda tile: normalise(tile, levels),
            check=looked,
        ):
            tell(event.done / event.total, f"tile {event.done} of {event.total}")
        return Segmentation(
            mask=deciding.mask,
            uncertainty=deciding.uncertainty,
            probabilities=deciding.probabilities,
            classes=self.classes,
            model=self._card.label,
            pixel_size_um=pixel_size_um,
            seconds=time.perf_counter() - began,
        )

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores ``(N, K, h, w)``, not calibrated, of normalised tiles ``(N, 3, h, w)``."""
        return self._runtime.run(batch)["logits"]

    def _need_mb(self, source: Source, *, probabilities: bool) -> float:
        classes = len(self.classes)
        kept = source.height * source.width * (2 + (classes if probabilities else 0)) / 1e6
        side = min(self._tiling.tile_px, max(source.height, source.width))
        network = side * side * _NETWORK_BYTES_PER_PIXEL / 1e6
        tiles = forecast_mb(source.height, source.width, classes=classes, tiling=self._tiling)
        return kept + network + tiles


def _as_described(card: ModelCard) -> tuple[Normalisation, Tiling]:
    """Read from a card how pictures are given to the network, or say why it cannot be used."""
    if card.task != TASK or "logits" not in card.outputs:
        raise ModelError(
            f"Expected a model that segments pictures, but {card.label!r} is for {card.task!r} "
            f"and answers {', '.join(card.outputs)}; choose another model."
        )
    spec = card.input
    if (
        not isinstance(spec, FreeSizeSpec)
        or spec.channels != "RGB"
        or spec.normalised_by != NORMALISED_BY
    ):
        raise ModelError(
            f"Expected a model that takes RGB pictures of any size, normalised by "
            f"{NORMALISED_BY}, but {card.label!r} takes {spec.written}; train or export it anew."
        )
    if not 2 <= len(card.classes) <= _MOST_CLASSES:
        raise ModelError(
            f"Expected a model of 2 to {_MOST_CLASSES} classes, of which the first is background, "
            f"but {card.label!r} has {len(card.classes)}; correct 'classes' in card.json."
        )
    normalisation = Normalisation.from_json(card.details.get("normalisation", {}))
    largest = spec.largest_side - spec.largest_side % spec.side_multiple
    tile = _number(card.details, "tile_px", min(_TILE_PX, largest))
    overlap = _number(card.details, "overlap", _OVERLAP)
    if not (spec.side_multiple <= tile <= largest and 0 <= overlap <= 0.9):
        raise ModelError(
            f"Expected tiles of {spec.side_multiple} to {largest} pixels that share 0 to 0.9 of a "
            f"side, but the card of {card.label!r} says {tile:g} and {overlap:g}; correct "
            "'details' in card.json."
        )
    tiling = Tiling(tile_px=int(tile), overlap=overlap, multiple=spec.side_multiple)
    return normalisation, tiling


def _number(details: Mapping[str, object], name: str, default: float) -> float:
    value = details.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and isinstance(value, int | float) and math.isfinite(value)):
        raise ModelError(
            f"The model card's field 'details.{name}' should be a number, but it is {value!r}; "
            "correct it in card.json."
        )
    return float(value)
