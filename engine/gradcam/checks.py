"""Whether a heat map may be believed: three measurements and a verdict in words.

Knows a map, a picture, and a callable that gives the explained class's probability. The
deletion/insertion test costs forward passes, so callers run it where they can afford it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.gradcam.closed_form import cam_for_pooled_linear

__all__ = [
    "MAX_RANDOM_SIMILARITY",
    "MIN_EFFECT",
    "MIN_INSIDE",
    "SUPPORTED_INSIDE",
    "DeletionInsertion",
    "Judgement",
    "Predict",
    "deletion_insertion",
    "energy_inside",
    "head_randomisation",
    "randomisation_similarity",
    "verdict",
]

Verdict = Literal["supported", "weak", "not shown"]

Predict = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""Takes pictures ``(M, H, W, 3) uint8``, gives the explained class's probability ``(M,)``."""

MIN_INSIDE: Final = 0.25
"""Below this share of energy on the eye a map points at something else."""

SUPPORTED_INSIDE: Final = 0.5
"""At least half of the map's energy must lie on the eye for the best verdict."""

MIN_EFFECT: Final = 0.05
"""Insertion minus deletion must reach this: 0 is what a random order gives on average."""

MAX_RANDOM_SIMILARITY: Final = 0.7
"""Rank correlation with maps of random weights above which a map shows the picture, not the model.
"""

_BLUR_SHARE: Final = 0.15
_SIGMA_WHEN_SMALL: Final = 3.0
_MIN_STEPS: Final = 2
_MAX_STEPS: Final = 100


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionInsertion:
    """How the probability follows when a map's pixels are blurred or shown, best first.

    ``deletion`` and ``insertion`` are areas under the probability curve in 0..1; ``full`` and
    ``blurred`` are the probabilities of the whole picture and of the wholly blurred one.
    """

    deletion: float
    insertion: float
    full: float
    blurred: float

    @property
    def effect(self) -> float:
        """Insertion minus deletion, in -1..1.

        A random order has 0 on average: showing a random part and hiding its complement leave
        the same kind of picture, so both areas are equal. Above 0 the map's order is better.
        """
        return self.insertion - self.deletion


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and the sentence that explains it to people."""

    verdict: Verdict
    reason: str


def deletion_insertion(
    predict: Predict,
    picture: NDArray[np.uint8],
    heat: NDArray[np.float32],
    *,
    steps: int = 8,
) -> DeletionInsertion:
    """Blur and show a picture in the order of its heat map, and watch the probability.

    Parameters
    ----------
    predict
        see ``Predict``; called once with ``2 * steps`` pictures.
    picture
        ``(H, W, 3) uint8``.
    heat
        ``(H, W)`` float map in 0..1. Equal values are ordered by place.
    steps
        parts of equal size into which the order is cut, 2..100.

    Returns
    -------
    Areas by the trapezoidal rule. Hidden pixels are replaced by a strong Gaussian blur (sigma
    15 % of the longer side), which hides without adding edges or colours.

    Raises
    ------
    InputError
        When shapes, steps or the probabilities do not fit.

    References
    ----------
    Petsiuk et al. (2018), RISE, arXiv:1806.07421, section 4.
    """
    _check_picture(picture, heat)
    picture = np.ascontiguousarray(picture)
    if not _MIN_STEPS <= steps <= _MAX_STEPS:
        raise InputError(f"steps should be {_MIN_STEPS} to {_MAX_STEPS}, but it is {steps}.")
    blurred = _blurred(picture)
    rank = np.empty(heat.size, dtype=np.intp)
    rank[np.argsort(-heat, axis=None, kind="stable")] = np.arange(heat.size)
    part = (rank * steps // heat.size).reshape(heat.shape)  # 0 = hottest … steps - 1
    # The ends of both curves are the same two pictures, so they are computed once.
    mixtures: list[NDArray[Any]] = [picture, blurred]
    for shown in range(1, steps):
        hot = (part < shown).view(np.uint8)
        mixtures += [
            cv2.copyTo(blurred, hot, picture.copy()),
            cv2.copyTo(picture, hot, blurred.copy()),
        ]
    answers = np.asarray(predict(np.stack(mixtures)), dtype=np.float64)
    _check_probabilities(answers, len(mixtures))
    full, empty = answers[0], answers[1]
    deletion = np.concatenate([[full], answers[2::2], [empty]])
    insertion = np.concatenate([[empty], answers[3::2], [full]])
    return DeletionInsertion(
        deletion=_area(deletion),
        insertion=_area(insertion),
        full=float(full),
        blurred=float(empty),
    )


def energy_inside(
    heat: NDArray[np.floating], region: NDArray[np.bool_] | NDArray[np.floating]
) -> float:
    """Return the share of a map's sum that lies inside a region, in 0..1.

    Parameters
    ----------
    heat
        ``(H, W)``, at least 0.
    region
        ``(H, W)`` boolean, or membership in 0..1.

    Returns
    -------
    0.0 for a map that is all zero.

    Examples
    --------
    >>> energy_inside(np.array([[3.0, 1.0]]), np.array([[True, False]]))
    0.75
    """
    if heat.ndim != 2 or heat.shape != region.shape:
        raise InputError(
            f"Expected a map and a region of the same shape (H, W), but got {heat.shape} and "
            f"{region.shape}."
        )
    values = np.asarray(heat, dtype=np.float64)
    if not np.isfinite(values).all() or (values.size and values.min() < 0):
        raise InputError("Expected a map of finite values of at least 0.")
    total = values.sum()
    share = (values * np.clip(region.astype(np.float64), 0, 1)).sum() / total if total else 0.0
    return float(min(share, 1.0))


def randomisation_similarity(
    heat: NDArray[np.floating], heat_random: NDArray[np.floating]
) -> float:
    """Return how alike two maps rank their places: Spearman's rho, negative values cut to 0.

    ``heat_random`` comes from the same picture through random weights. Near 0: the map depends
    on what the network learned. Near 1: it shows the picture's edges. Two constant maps are
    alike (1.0), a constant and a varied one are not (0.0). Compare maps at the network's own
    resolution: enlarged ones agree too easily.

    References
    ----------
    Adebayo et al. (2018), Sanity checks for saliency maps, arXiv:1810.03292.

    Examples
    --------
    >>> randomisation_similarity(np.array([[1.0, 2.0, 3.0]]), np.array([[10.0, 20.0, 90.0]]))
    1.0
    """
    if heat.shape != heat_random.shape or heat.ndim != 2 or not heat.size:
        raise InputError(
            f"Expected two maps of the same shape (h, w), but got {heat.shape} and "
            f"{heat_random.shape}."
        )
    first, second = _centred_ranks(heat), _centred_ranks(heat_random)
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    if size == 0:
        return 1.0 if not first.any() and not second.any() else 0.0
    return float(np.clip(round(float((first * second).sum()) / size, 12), 0.0, 1.0))


def head_randomisation(
    features: NDArray[np.float32],
    weights: NDArray[np.float32],
    classes: NDArray[np.integer],
    *,
    repeats: int = 8,
    seed: int = 0,
) -> float:
    """Return the mean similarity of maps to those of a head with shuffled weights, in 0..1.

    A property of the model on some pictures, not of one frame: compute it once and keep it.
    Arguments are those of ``cam_for_pooled_linear``; each row of ``weights`` is shuffled, which
    keeps its distribution and destroys what it learned.
    """
    learned = cam_for_pooled_linear(features, weights, classes)
    random = np.random.default_rng(seed)
    found = [
        randomisation_similarity(one, other)
        for _ in range(repeats)
        for one, other in zip(
            learned,
            cam_for_pooled_linear(features, random.permuted(weights, axis=1), classes),
            strict=True,
        )
    ]
    return float(np.mean(found))


def verdict(
    *,
    inside: float,
    eye_share: float = 0.0,
    is_empty: bool = False,
    effect: float | None = None,
    random_similarity: float | None = None,
) -> Judgement:
    """Say how far a map may be believed.

    Parameters
    ----------
    inside
        from :func:`energy_inside` with the eye's opening, 0..1.
    eye_share
        share of the crop that the eye covers, 0..1: what ``inside`` would be for an even map.
    is_empty
        whether the map is all zero.
    effect
        ``DeletionInsertion.effect``; ``None`` when there was no time for the test.
    random_similarity
        from :func:`head_randomisation`, once for each model; ``None`` when not tested.

    Returns
    -------
    ``supported``: the map lies on the eye and every test that was made agrees; at least one of
    ``effect`` and ``random_similarity`` was made. ``weak``: nothing speaks against it, but not
    enough for it, or hiding the marked places changed little. ``not shown``: it is empty, points
    beside the eye no better than an even map, or looks the same for random weights.
    """
    for name, value in (("inside", inside), ("eye_share", eye_share)):
        if not 0.0 <= value <= 1.0:
            raise InputError(f"{name} should lie in 0..1, but it is {value}.")
    on_eye = f"{round(100 * inside)} % of the heat map lies on the eye"
    if is_empty:
        reason = "Nothing in the picture speaks for this answer, so there is no heat map."
        return Judgement(verdict="not shown", reason=reason)
    if random_similarity is not None and random_similarity > MAX_RANDOM_SIMILARITY:
        reason = (
            "This model's heat maps look much the same with random weights, so they show the "
            "picture rather than what the model learned."
        )
        return Judgement(verdict="not shown", reason=reason)
    if inside < max(MIN_INSIDE, min(eye_share, SUPPORTED_INSIDE)):
        reason = f"Only {on_eye}, so it does not explain an answer about the eye."
        return Judgement(verdict="not shown", reason=reason)
    if effect is not None and effect < MIN_EFFECT:
        reason = f"{on_eye}, but hiding the marked places hardly changes the answer."
        return Judgement(verdict="weak", reason=reason)
    if inside < SUPPORTED_INSIDE:
        reason = f"{on_eye}; the rest of it lies beside the eye."
        return Judgement(verdict="weak", reason=reason)
    if effect is None and random_similarity is None:
        reason = f"{on_eye}, but whether the answer depends on it was not tested."
        return Judgement(verdict="weak", reason=reason)
    tested = (
        "hiding the marked places changes the answer"
        if effect is not None
        else ("maps of this model change when its weights are made random")
    )
    return Judgement(verdict="supported", reason=f"{on_eye}, and {tested}.")


def _area(curve: NDArray[np.float64]) -> float:
    """Return the area under equally spaced values on 0..1 by the trapezoidal rule."""
    return float(((curve[1:] + curve[:-1]) / 2).mean())


def _blurred(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blur strongly. What such a blur leaves fits into a small picture, so it is done there."""
    height, width = picture.shape[:2]
    sigma = max(1.0, _BLUR_SHARE * max(height, width))
    shrink = max(1.0, sigma / _SIGMA_WHEN_SMALL)
    small_size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    small = cv2.resize(picture, small_size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / shrink, borderType=cv2.BORDER_REPLICATE)
    softened = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    result: NDArray[np.uint8] = softened.astype(np.uint8, copy=False)
    return result


def _centred_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return ranks minus their mean; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[place.ravel()]
    centred: NDArray[np.float64] = ranks - ranks.mean()
    return centred


def _check_picture(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise InputError(
            f"Expected a picture (H, W, 3) uint8, but got {picture.shape} {picture.dtype}."
        )
    if heat.shape != picture.shape[:2] or not heat.size or not np.isfinite(heat).all():
        raise InputError(
            f"Expected a finite map of the picture's size {picture.shape[:2]}, but got "
            f"{heat.shape}; enlarge it with closed_form.upsample."
        )


def _check_probabilities(answers: NDArray[np.float64], count: int) -> None:
    if answers.shape != (count,) or not np.isfinite(answers).all():
        raise InputError(
            f"predict should give one finite probability for each of {count} pictures, but it "
            f"gave shape {answers.shape}."
        )
