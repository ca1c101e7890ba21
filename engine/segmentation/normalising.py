"""From a picture's bytes to the numbers a network takes, alike for every tile of one picture.

Stains, lamps and cameras differ far more than tissue does, so by default each picture is its own
measure: every channel gets mean 0 and spread 1. Dark stays below bright (polarity is kept), and a
nearly empty picture does not have its noise blown up, for the spread has a floor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, ModelError

__all__ = ["Levels", "Normalisation", "Readable", "normalise", "sample"]

_PERCENTILES: Final = (0.5, 99.5)
_LEAST_SPREAD: Final = 8 / 255
_LOUD: Final = 6.0
"""From so many spreads on, values grow with their logarithm only: bright, and still in order."""
_SAMPLED_PIXELS: Final = 1_000_000
_BAND_ROWS: Final = 512
_KINDS: Final = ("picture", "fixed")

Three = tuple[float, float, float]


class Readable(Protocol):
    """A picture that is read part by part: RGB, upright, ``height`` × ``width`` pixels."""

    @property
    def height(self) -> int:
        """Rows."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return ``(height, width, 3) uint8``; the part lies inside of the picture."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What one picture is measured by: mean and spread of each channel, of values in 0..1."""

    mean: Three
    std: Three

    def table(self) -> NDArray[np.float32]:
        """Return what each byte becomes, ``(3, 256) float32``, rising in each channel."""
        values = np.arange(256) / 255
        scores = (values - np.array(self.mean)[:, None]) / np.array(self.std)[:, None]
        loud = np.maximum(np.abs(scores) - _LOUD, 0)
        quiet = np.sign(scores) * (np.minimum(np.abs(scores), _LOUD) + np.log1p(loud))
        table: NDArray[np.float32] = quiet.astype(np.float32)
        return table


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """How a model's pictures are normalised.

    ``kind="picture"``: by each picture's own mean and standard deviation, both of values cut to
    its 0.5th and 99.5th percentile, the deviation at least 8/255. ``kind="fixed"``: by ``mean``
    and ``std`` of values in 0..1, the same for all pictures.

    Raises
    ------
    ModelError
        When a field has the wrong type or range.
    """

    kind: Literal["picture", "fixed"] = "picture"
    mean: Three = (0.5, 0.5, 0.5)
    std: Three = (0.25, 0.25, 0.25)

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ModelError(
                f"The normalisation's kind should be one of {', '.join(_KINDS)}, but it is "
                f"{self.kind!r}; correct details.normalisation in card.json."
            )
        for name, least in (("mean", -math.inf), ("std", 1e-6)):
            values = getattr(self, name)
            object.__setattr__(self, name, _three(values, name, least))

    def measure(self, source: Readable | NDArray[np.uint8]) -> Levels:
        """Return the levels of a whole picture, from at most a million evenly spread pixels.

        ``source`` is a picture ``(H, W, 3) uint8`` or one that is read part by part.
        """
        if self.kind == "fixed":
            return Levels(mean=self.mean, std=self.std)
        mean, std = np.zeros(3), np.zeros(3)
        for channel, values in enumerate(np.moveaxis(sample(source), -1, 0)):
            counts = np.bincount(values.ravel(), minlength=256).astype(np.float64)
            mean[channel], std[channel] = _spread(counts)
        return Levels(mean=_as_three(mean), std=_as_three(np.maximum(std, _LEAST_SPREAD)))

    def to_json(self) -> dict[str, Any]:
        """Return what a card's ``details.normalisation`` holds."""
        return {"kind": self.kind, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, document: object) -> Normalisation:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ModelError
            When it is something else.
        """
        names = {"kind", "mean", "std"}
        if not isinstance(document, Mapping) or not set(document) <= names:
            raise ModelError(
                f"A normalisation should be an object with {', '.join(sorted(names))}, but it is "
                f"{str(document)[:80]!r}; correct details.normalisation in card.json."
            )
        return cls(**document)


def normalise(tile: NDArray[np.uint8], levels: Levels) -> NDArray[np.float32]:
    """Return a part of a picture ``(h, w, 3) uint8`` as a network takes it: ``(3, h, w)``.

    Raises
    ------
    InputError
        When it is no RGB picture of bytes.
    """
    if tile.ndim != 3 or tile.shape[2] != 3 or tile.dtype != np.uint8:
        raise InputError(
            f"Expected a picture (height, width, 3) of uint8, but got {tile.shape} of "
            f"{tile.dtype}; decode it with engine.imaging.pictures."
        )
    table = levels.table()
    out = np.empty((3, *tile.shape[:2]), np.float32)
    for channel in range(3):
        table[channel].take(tile[..., channel], out=out[channel], mode="clip")
    return out


def sample(source: Readable | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return every ``n``-th pixel of every ``n``-th row, at most about a million in all.

    A picture that is read part by part is read once, in bands, and never held.
    """
    if isinstance(source, np.ndarray):
        step = _step(source.shape[0], source.shape[1])
        return source[step // 2 :: step, step // 2 :: step]
    step = _step(source.height, source.width)
    if step == 1:
        return source.read(0, 0, source.height, source.width)
    rows = []
    for top in range(0, source.height, _BAND_ROWS):
        height = min(_BAND_ROWS, source.height - top)
        first = (step // 2 - top) % step  # the same rows whatever the bands
        if first < height:
            band = source.read(top, 0, height, source.width)
            rows.append(band[first::step, step // 2 :: step].copy())
    return np.concatenate(rows)


def _step(height: int, width: int) -> int:
    return max(1, min(math.ceil(math.sqrt(height * width / _SAMPLED_PIXELS)), height, width))


def _spread(counts: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation in 0..1 of bytes with these counts, ends cut off."""
    shares = np.cumsum(counts) / counts.sum()
    low, high = (int(np.searchsorted(shares, cut / 100)) for cut in _PERCENTILES)
    values = np.clip(np.arange(256), low, min(high, 255)) / 255
    mean = float((values * counts).sum() / counts.sum())
    variance = float(((values - mean) ** 2 * counts).sum() / counts.sum())
    return mean, math.sqrt(variance)


def _three(values: object, name: str, least: float) -> Three:
    fits = (
        isinstance(values, Sequence)
        and not isinstance(values, str)
        and len(values) == 3
        and all(
            isinstance(value, int | float) and math.isfinite(value) and value >= least
            for value in values
        )
    )
    if not fits or not isinstance(values, Sequence):
        raise ModelError(
            f"The normalisation's {name} should be three numbers, for red, green and blue, but it "
            f"is {str(values)[:80]}; correct details.normalisation in card.json."
        )
    return _as_three(values)


def _as_three(values: Sequence[float] | NDArray[np.float64]) -> Three:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
