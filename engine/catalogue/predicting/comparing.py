"""An answer against the mask that counts: Dice by class, over what the person looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from engine.catalogue.predicting.mapping import map_classes
from engine.errors import PictureError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.segmentation.results import Segmentation
    from engine.store.records import Mask

__all__ = ["Agreement", "Compared", "compare_masks"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One class: Dice and IoU in 0..1, NaN where neither has it; pixels of both."""

    name: str
    dice: float
    iou: float
    person_px: int
    model_px: int


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """How far an answer agrees with a person's mask.

    ``rows`` leave the background out. ``looked_px`` of ``pixels`` are annotated; the others count
    nowhere. ``truth`` and ``predicted`` are ``(H, W) uint8`` in the picture's classes.
    ``sentence`` says what classes do not have in common.
    """

    mask: Mask
    rows: tuple[Agreement, ...]
    mean_dice: float
    looked_px: int
    pixels: int
    sentence: str
    truth: NDArray[np.uint8]
    predicted: NDArray[np.uint8]


def compare_masks(
    found: Segmentation, mask: Mask, truth: NDArray[np.uint8], classes: tuple[str, ...]
) -> Compared:
    """Return how far ``found`` agrees with ``truth`` ``(H, W)`` of ``classes``, 255 left out.

    What the model knows and the picture does not is no disagreement: it is left out as well.

    Raises
    ------
    PictureError
        When the mask has another size.
    RequestError
        When the two have no class in common.
    """
    import numpy as np

    from engine.segmentation.scoring import confusion, overlaps

    if truth.shape != found.mask.shape:
        raise PictureError(
            f"The mask is {truth.shape[1]}×{truth.shape[0]} but the answer "
            f"{found.width}×{found.height}; ask the model again."
        )
    mapped = map_classes(found.classes, classes)
    predicted = mapped.apply(found.mask)
    seen = np.where(predicted == 255, np.uint8(255), truth)
    shown = np.where(predicted == 255, np.uint8(0), predicted)
    table = confusion(seen, shown, len(classes))
    scores = overlaps(table)
    known = set(mapped.values)
    rows = tuple(
        Agreement(
            name=name,
            dice=score.dice,
            iou=score.iou,
            person_px=score.truth_px,
            model_px=score.predicted_px,
        )
        for number, (name, score) in enumerate(zip(classes, scores, strict=True))
        if number and number in known
    )
    return Compared(
        mask=mask,
        rows=rows,
        mean_dice=_mean([row.dice for row in rows]),
        looked_px=int(table.sum()),
        pixels=int(truth.size),
        sentence=mapped.sentence,
        truth=truth,
        predicted=predicted,
    )


def _mean(values: list[float]) -> float:
    known = [value for value in values if value == value]  # NaN is unequal to itself
    return sum(known) / len(known) if known else float("nan")
