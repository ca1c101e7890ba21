"""A quick look at held-back pictures after each epoch: parts of some of them, always the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
from numpy.typing import NDArray

from engine.segmentation.normalising import normalise
from engine.segmentation.scoring.overlap import confusion, mean_dice, overlaps
from engine.training.preparing import PreparedPicture

if TYPE_CHECKING:
    from engine.training.learner import Learner

__all__ = ["Look", "Validation", "View", "views_of"]

_MOST_VIEWS: Final = 32
_SIDE_PX: Final = 384


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """A part of a picture: pixels ``(h, w, 3)``, truth ``(h, w)``, and as the network takes it.

    ``values`` is ``(1, 3, h', w')``, mirrored on to sides that the network can take.
    """

    name: str
    picture: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    values: NDArray[np.float32]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What one look found: Dice and IoU by class (without the background), NaN where unknown."""

    loss: float
    dice: dict[str, float]
    iou: dict[str, float]
    mean_dice: float


def views_of(pictures: Sequence[PreparedPicture], *, side_multiple: int) -> tuple[View, ...]:
    """Return a part of at most 384 pixels a side of at most 32 pictures, from all over the list.

    The part is where most is annotated, so that no look goes to waste.
    """
    annotated = [one for one in pictures if one.annotated]
    step = max(1.0, len(annotated) / _MOST_VIEWS)
    chosen = [annotated[int(at * step)] for at in range(min(_MOST_VIEWS, len(annotated)))]
    return tuple(_view(one, side_multiple) for one in chosen)


def _view(one: PreparedPicture, side_multiple: int) -> View:
    places = np.concatenate([found for found in one.places[1:] if len(found)] or list(one.places))
    middle = np.median(places, axis=0)
    starts = [
        int(np.clip(at - _SIDE_PX // 2, 0, max(0, side - _SIDE_PX)))
        for at, side in zip(middle, (one.height, one.width), strict=True)
    ]
    part = (slice(starts[0], starts[0] + _SIDE_PX), slice(starts[1], starts[1] + _SIDE_PX))
    picture, truth = np.array(one.picture()[part]), np.array(one.mask()[part])
    values = normalise(picture, one.levels)
    pads = [(0, -side % side_multiple) for side in picture.shape[:2]]
    mode = "reflect" if all(p[1] < s for p, s in zip(pads, truth.shape, strict=True)) else "edge"
    padded = np.pad(values, ((0, 0), *pads), mode=mode)  # type: ignore[call-overload]  # either name
    return View(name=one.name, picture=picture, truth=truth, values=padded[None])


@final
class Validation:
    """The same views again and again."""

    def __init__(self, views: Sequence[View], classes: tuple[str, ...]) -> None:
        self._views = tuple(views)
        self._classes = classes

    @property
    def views(self) -> tuple[View, ...]:
        """What is looked at."""
        return self._views

    def look(self, learner: Learner) -> Look:
        """Ask the averaged network about every view."""
        table = np.zeros((len(self._classes), len(self._classes)), np.int64)
        losses = []
        for view in self._views:
            height, width = view.truth.shape
            logits = learner.answer(view.values)[..., :height, :width]
            losses.append(learner.loss_of(logits, view.truth[None]))
            predicted = logits[0].argmax(dim=0).numpy().astype(np.uint8)
            table += confusion(view.truth, predicted, len(self._classes))
        found = overlaps(table)
        names = list(enumerate(self._classes))[1:]
        return Look(
            loss=float(np.mean(losses)) if losses else float("nan"),
            dice={name: found[value].dice for value, name in names},
            iou={name: found[value].iou for value, name in names},
            mean_dice=mean_dice(found) if losses else float("nan"),
        )

    def answers(self, learner: Learner, count: int) -> list[tuple[View, NDArray[np.uint8]]]:
        """Return the first views with what is answered now ``(h, w) uint8``."""
        found = []
        for view in self._views[:count]:
            height, width = view.truth.shape
            logits = learner.answer(view.values)[0, :, :height, :width]
            found.append((view, logits.argmax(dim=0).numpy().astype(np.uint8)))
        return found
