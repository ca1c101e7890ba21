"""Drawn tissue as something to learn from: a first training with known answers, in a minute."""

from __future__ import annotations

from functools import partial
from typing import Final

from engine.errors import RequestError
from engine.imaging.drawn_tissue import draw_tissue
from engine.training.examples import Example, Loaded, TrainingSet

__all__ = ["CLASSES", "tissue_set"]

CLASSES: Final = ("background", "unhealthy", "healthy")
_SHARES: Final = (0.15, 0.3, 0.45, 0.6)
_MOST: Final = 10_000


def tissue_set(
    count: int,
    *,
    side_px: int = 256,
    per_group: int = 2,
    looked_at_share: float = 0.9,
    seed: int = 0,
) -> TrainingSet:
    """Return ``count`` drawn slices of three states; the same numbers give the same pictures.

    Parameters
    ----------
    count
        How many pictures, 1 to 10,000.
    side_px
        Edge of each.
    per_group
        So many pictures are one group, as if from one patient.
    looked_at_share
        Part of the columns that somebody annotated; the rest is 255.
    seed
        Other seeds give other pictures: nothing of one set occurs in another.

    Raises
    ------
    RequestError
        When a number is outside its range.
    """
    if not 1 <= count <= _MOST or per_group < 1:
        raise RequestError(
            f"Expected 1 to {_MOST} pictures in groups of at least 1, but got {count} in groups of "
            f"{per_group}."
        )
    return TrainingSet(
        name="Drawn tissue",
        classes=CLASSES,
        examples=tuple(
            Example(
                name=f"tissue-{seed}-{number:04}",
                load=partial(_drawn, seed * _MOST + number, number, side_px, looked_at_share),
                group=f"patient-{seed}-{number // per_group:04}",
            )
            for number in range(count)
        ),
    )


def _drawn(seed: int, number: int, side_px: int, looked_at_share: float) -> Loaded:
    drawn = draw_tissue(
        seed,
        side_px=side_px,
        unhealthy_share=_SHARES[number % len(_SHARES)],
        looked_at_share=looked_at_share,
    )
    return drawn.picture, drawn.mask
