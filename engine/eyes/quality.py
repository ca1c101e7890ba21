"""Measure whether a crop of an eye is good enough to judge, and say what to change if not.

Each measure has a unit, limits and a sentence. Few of them block: a still picture is refused only
when nobody could judge it. How the limits were found (canonical crops of 737 real close-ups, the
same pictures degraded in known steps, and rendered eyes):

=============  ====================  =======================  ==================================
measure        limits                real pictures, 1–99 %    what the limit refuses
=============  ====================  =======================  ==================================
size           ≥ 40 px, blocking     91–614 px                an iris of less than 15 px
framing        ≥ 60 %, blocking      –                        an eye cut off by the picture
brightness     10–90 %, blocking     26–72 %                  a fifth of usual light; burnt out
sharpness      ≤ 3.8 %, blocking     0.9–2.8 %                Gaussian blur of 4 % of the width
openness       ≥ 0.12, blocking      –                        closed and nearly closed lids
glare          ≤ 20 %, blocking      0–10 %                   a lamp or flash over the opening
contrast       ≥ 12 %, blocking      31–85 %                  fog: a fifth of usual contrast
gaze           ≤ 0.25                –                        (advice only)
roll, yaw      ≤ 35°                 –                        (advice only)
texture        ≥ 5                   38–2700                  (advice only; see below)
=============  ====================  =======================  ==================================

Sharpness is the width of the strongest edges, found by blurring once more and comparing gradients.
Of the real pictures all 737 lie below 3.2 %. Blurred by a Gaussian of 4 and 5 % of the eye's width
94 and 99 % of them lie above the limit; moved by 15 % while the shutter is open, 60 %. ``texture``
is the usual variance of the Laplacian; it falls with contrast and rises with noise (a factor of 4
and 5 where sharpness changes by 2 %), so it only advises.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.eyes import crops
from engine.eyes.crops import EyeCrop
from engine.eyes.landmarks import EyeLocation
from engine.eyes.results import EyeQuality, QualityMeasure
from engine.imaging.boxes import Box

__all__ = [
    "EyeAnatomyRead",
    "blur_width",
    "glare_percent",
    "measure_quality",
    "opening_mask",
]

MIN_SIZE_PX: Final = 40.0
GOOD_SIZE_PX: Final = 80.0
MIN_FRAMING_PERCENT: Final = 60.0
MIN_BRIGHTNESS_PERCENT: Final = 10.0
MAX_BRIGHTNESS_PERCENT: Final = 90.0
MIN_CONTRAST_PERCENT: Final = 12.0
MAX_BLUR_PERCENT: Final = 3.8
MIN_OPENNESS: Final = 0.12
MAX_GLARE_PERCENT: Final = 20.0
MAX_GAZE: Final = 0.25
MAX_TURN_DEG: Final = 35.0
MIN_TEXTURE: Final = 5.0

BURNT_OUT: Final = 238
"""All three colours at or above this grey level: white without any drawing in it."""

SURE_OF_EYE: Final = 0.5
"""Below this the anatomy's reading is not used."""

SURE_OF_NO_EYE: Final = 0.25
"""Below this, where a face has an eye, the lids are closed or something covers them: rendered
closed lids are read with 0.02 to 0.06 where no slit is left."""

GLINT_SHARE: Final = 0.015
"""A bright spot below this share of the opening is the normal reflection on the cornea."""

GLINTS: Final = 4
"""So many such spots are normal (two windows or lamps on each side of the pupil)."""


class EyeAnatomyRead(Protocol):
    """The part of :class:`engine.eyes.anatomy.EyeAnatomy` that is used here.

    All of it in pixels of the crop.
    """

    @property
    def opening(self) -> Box | None:
        """Box of the lid opening."""
        ...

    @property
    def openness(self) -> float:
        """Height by width of the lid opening."""
        ...

    @property
    def eye_confidence(self) -> float:
        """How sure the reader is that it saw an eye, 0..1."""
        ...

    @property
    def gaze_offset(self) -> float | tuple[float, float] | None:
        """Iris centre minus opening centre, in widths of the opening."""
        ...


def measure_quality(
    crop: EyeCrop,
    *,
    anatomy: EyeAnatomyRead | None = None,
    location: EyeLocation | None = None,
    picture_shape: tuple[int, ...] | None = None,
) -> EyeQuality:
    """Measure one canonical crop.

    Parameters
    ----------
    crop
        From :func:`engine.eyes.crops.canonical_crop`, with any padding.
    anatomy
        What was read from ``crop.pixels``; gives opening, openness and gaze.
    location
        Where the eye was found; gives openness when the anatomy does not, roll and yaw.
    picture_shape
        Shape of the picture that the crop was cut from, to see whether the eye is cut off.

    Returns
    -------
    The measures, the most important first, and a score in 0..1 by which frames are ranked.
    Measures that nothing is known about are left out.
    """
    grey = cv2.cvtColor(crop.pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    near = _around_eye(grey, crop)
    openness = _openness_seen(anatomy, location)
    if anatomy is not None and anatomy.eye_confidence < SURE_OF_EYE:
        anatomy = None
    mask = opening_mask(grey.shape, anatomy.opening if anatomy else _usual_opening(crop))
    measures = [_size(crop.scale_px)]
    if picture_shape is not None:
        measures.append(_framing(crop, picture_shape))
    measures.append(_brightness(grey))
    measures.append(_sharpness(near, eye_width=_eye_size(crop)[0]))
    if openness is not None:
        measures.append(_openness(openness))
    measures.append(_glare(crop.pixels, mask))
    measures.append(_contrast(near))
    if anatomy is not None and anatomy.gaze_offset is not None:
        measures.append(_gaze(anatomy.gaze_offset))
    if location is not None:
        measures.extend(_pose(location))
    measures.append(_texture(near))
    return EyeQuality(measures=tuple(measures), score=_score(measures))


def blur_width(grey: NDArray[np.uint8]) -> float:
    """Return the standard deviation of the blur of the strongest edges, in pixels.

    Blurs once more by 1 and by 2 pixels. At an edge of width s the gradients then relate as
    ``R² = (s² + 2²) / (s² + 1²)``, whatever the edge's contrast, so ``s² = (4 - R²) / (R² - 1)``
    (after Zhuo and Sim, Pattern Recognition 44, 2011). Of the strongest 3 percent of edges the
    sharper third decides (70th percentile of R): the soft border of an iris seen from very near
    must not count as blur. Blur in one direction counts, as a moving camera causes it: the larger
    of the two directions is returned. The first blur makes noise small.

    Parameters
    ----------
    grey
        ``(H, W) uint8``, at least 16×16 pixels to be meaningful.

    Returns
    -------
    0 for an ideal edge; at most about 170, which is what a flat picture gets.
    """
    values = grey.astype(np.float32)
    less = cv2.GaussianBlur(values, (7, 7), 1.0).astype(np.float32, copy=False)
    more = cv2.GaussianBlur(values, (13, 13), 2.0).astype(np.float32, copy=False)
    return max(_blur_along(less, more, dx=1), _blur_along(less, more, dx=0))


def opening_mask(shape: tuple[int, ...], opening: Box | None) -> NDArray[np.bool_]:
    """Return an ellipse in the opening's box; all of the crop when there is none.

    Parameters
    ----------
    shape
        Rows and columns of the crop.
    opening
        Box of the lid opening in pixels of the crop.

    Examples
    --------
    >>> opening_mask((3, 5), Box(0, 0, 5, 3)).astype(int)
    array([[0, 1, 1, 1, 0],
           [1, 1, 1, 1, 1],
           [0, 1, 1, 1, 0]])
    """
    rows, columns = shape[:2]
    if opening is None or opening.width < 1 or opening.height < 1:
        return np.ones((rows, columns), bool)
    (x, y), a, b = opening.centre, opening.width / 2, opening.height / 2
    row, column = np.ogrid[:rows, :columns]
    inside: NDArray[np.bool_] = ((column + 0.5 - x) / a) ** 2 + ((row + 0.5 - y) / b) ** 2 <= 1
    return inside


def glare_percent(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Return the share of the opening that is burnt out to white, in percent.

    Up to :data:`GLINTS` small spots are left out: every eye reflects its lamp.

    Parameters
    ----------
    pixels
        ``(H, W, 3) uint8 RGB``.
    mask
        ``(H, W)`` bool, the lid opening.
    """
    area = int(mask.sum())
    white = cv2.inRange(pixels, np.full(3, BURNT_OUT), np.full(3, 255))
    burnt = cv2.bitwise_and(white, mask.astype(np.uint8))
    if area == 0 or not cv2.countNonZero(burnt):
        return 0.0
    _, _, stats, _ = cv2.connectedComponentsWithStats(burnt, connectivity=8)
    spots = np.sort(stats[1:, cv2.CC_STAT_AREA])
    small = spots[spots < GLINT_SHARE * area]
    return 100 * float(spots.sum() - small[-GLINTS:].sum()) / area


def _eye_size(crop: EyeCrop) -> tuple[float, float]:
    """Return what one eye width measures in the crop, along its columns and along its rows."""
    across, down = np.linalg.norm(crop.matrix[:, :2], axis=1)
    return crop.scale_px * float(across), crop.scale_px * float(down)


def _usual_opening(crop: EyeCrop) -> Box:
    """Return where an open eye has its opening: as wide as the eye, 0.36 as high."""
    rows, columns = crop.pixels.shape[:2]
    width, height = _eye_size(crop)[0], 0.36 * _eye_size(crop)[1]
    return Box((columns - width) / 2, (rows - height) / 2, width, height)


def _around_eye(grey: NDArray[np.uint8], crop: EyeCrop) -> NDArray[np.uint8]:
    """Return the middle of the crop, without most of brow, cheek and nose."""
    rows, columns = grey.shape
    width, height = _eye_size(crop)
    x = round(max(columns / 2 - 0.56 * width, 0))
    y = round(max(rows / 2 - 0.39 * height, 0))
    return grey[y : rows - y, x : columns - x]


def _blur_along(less: NDArray[np.float32], more: NDArray[np.float32], *, dx: int) -> float:
    fine = np.abs(cv2.Sobel(less, cv2.CV_32F, dx, 1 - dx)).ravel()
    coarse = np.abs(cv2.Sobel(more, cv2.CV_32F, dx, 1 - dx)).ravel()
    count = max(round(0.03 * coarse.size), 1)
    edges = np.argpartition(coarse, -count)[-count:]
    if float(coarse[edges].max()) < 1e-3:
        ratio = 1.0
    else:
        ratio = float(np.percentile(fine[edges] / np.maximum(coarse[edges], 1e-6), 70))
    squared = min(max(ratio**2, 1.0001), 4.0)
    return math.sqrt((4 - squared) / (squared - 1))


def _size(width_px: float) -> QualityMeasure:
    advice = (
        f"Come closer: your eye is {width_px:.0f} px wide; {MIN_SIZE_PX:.0f} px are the least, "
        f"{GOOD_SIZE_PX:.0f} px or more are better."
    )
    return _measure("size", width_px, "px", advice, minimum=MIN_SIZE_PX)


def _framing(crop: EyeCrop, picture_shape: tuple[int, ...]) -> QualityMeasure:
    """Share of the eye itself (no padding) that lies in the picture."""
    percent = _percent_visible(crop, picture_shape)
    advice = f"Move the whole eye into the picture: {percent:.0f} % of it is visible."
    return _measure("framing", percent, "%", advice, minimum=MIN_FRAMING_PERCENT)


def _percent_visible(crop: EyeCrop, picture_shape: tuple[int, ...]) -> float:
    height, width = picture_shape[:2]
    box = crop.box
    if min(box.x, box.y) >= 0 and box.x + box.width <= width and box.y + box.height <= height:
        return 100.0  # all of the crop is inside: no need to look closer
    rows, columns = crop.pixels.shape[:2]
    inset_x = (columns - _eye_size(crop)[0]) / 2
    inset_y = (rows - crops.EYE_ASPECT * _eye_size(crop)[1]) / 2
    grid = np.stack(
        np.meshgrid(
            np.linspace(inset_x, columns - inset_x, 15), np.linspace(inset_y, rows - inset_y, 7)
        ),
        axis=-1,
    ).reshape(-1, 2)
    points = crop.to_picture(grid)
    inside = (points >= 0) & (points <= (width, height))
    return 100 * float(inside.all(axis=1).mean())


def _brightness(grey: NDArray[np.uint8]) -> QualityMeasure:
    percent = float(grey.mean()) / 2.55
    too_dark = percent < MIN_BRIGHTNESS_PERCENT
    advice = (
        f"More light from the front: the picture is too dark ({percent:.0f} % brightness)."
        if too_dark
        else f"Less light: the picture is too bright ({percent:.0f} % brightness)."
    )
    return _measure(
        "brightness",
        percent,
        "%",
        advice,
        minimum=MIN_BRIGHTNESS_PERCENT,
        maximum=MAX_BRIGHTNESS_PERCENT,
    )


def _sharpness(near: NDArray[np.uint8], *, eye_width: float) -> QualityMeasure:
    percent = 100 * blur_width(near) / eye_width
    advice = "Hold still and let the camera focus: the eye is blurred."
    return _measure("sharpness", percent, "% of eye width", advice, maximum=MAX_BLUR_PERCENT)


def _openness_seen(anatomy: EyeAnatomyRead | None, location: EyeLocation | None) -> float | None:
    """Return height by width of the lid opening, ``None`` when nothing tells.

    The anatomy is asked first, then the landmarks. An anatomy that surely sees no eye, where a
    face has one, means closed lids; in a close-up of unknown side it means nothing.
    """
    if anatomy is not None and anatomy.eye_confidence >= SURE_OF_EYE:
        return float(anatomy.openness)
    if location is None:
        return None
    if location.openness is not None:
        return float(location.openness)
    is_unseen = anatomy is not None and anatomy.eye_confidence < SURE_OF_NO_EYE
    return 0.0 if is_unseen and location.side != "unknown" else None


def _openness(value: float) -> QualityMeasure:
    advice = "Open your eyes wider: the lids cover the eye."
    return _measure("openness", value, "height/width", advice, minimum=MIN_OPENNESS)


def _glare(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> QualityMeasure:
    percent = glare_percent(pixels, mask)
    advice = (
        f"Turn away from the lamp or switch off the flash: {percent:.0f} % of the eye is white."
    )
    return _measure("glare", percent, "%", advice, maximum=MAX_GLARE_PERCENT)


def _contrast(near: NDArray[np.uint8]) -> QualityMeasure:
    dark, bright = np.percentile(near, (5, 95))
    percent = float(bright - dark) / 2.55
    advice = "Wipe the lens and use more even light: the picture is too flat to judge."
    return _measure("contrast", percent, "%", advice, minimum=MIN_CONTRAST_PERCENT)


def _gaze(offset: float | tuple[float, float]) -> QualityMeasure:
    value = math.hypot(*offset) if isinstance(offset, tuple) else abs(float(offset))
    advice = "Look straight into the camera."
    return _measure("gaze", value, "eye widths", advice, maximum=MAX_GAZE, blocking=False)


def _pose(location: EyeLocation) -> list[QualityMeasure]:
    # A phone held upside down is not a tilted head: the crop is levelled either way.
    roll = abs((location.roll_deg + 45) % 90 - 45)
    level = "Hold your head level."
    measures = [_measure("roll", roll, "°", level, maximum=MAX_TURN_DEG, blocking=False)]
    if location.yaw_deg is not None:
        yaw = abs(location.yaw_deg)
        front = "Turn your face to the camera."
        measures.append(_measure("yaw", yaw, "°", front, maximum=MAX_TURN_DEG, blocking=False))
    return measures


def _texture(near: NDArray[np.uint8]) -> QualityMeasure:
    value = float(cv2.Laplacian(near, cv2.CV_32F).var())
    advice = "The picture shows little detail; more light and a clean lens help."
    return _measure("texture", value, "grey levels²", advice, minimum=MIN_TEXTURE, blocking=False)


def _measure(
    name: str,
    value: float,
    unit: str,
    advice: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    blocking: bool = True,
) -> QualityMeasure:
    """Make a measure that carries its advice only when it is not passed."""
    made = QualityMeasure(
        name=name, value=value, unit=unit, minimum=minimum, maximum=maximum, blocking=blocking
    )
    if made.passed:
        return made
    return QualityMeasure(
        name=name,
        value=value,
        unit=unit,
        minimum=minimum,
        maximum=maximum,
        advice=advice,
        blocking=blocking,
    )


RANKING: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "size": ((0, 0.0), (40, 0.4), (80, 0.8), (160, 1.0)),
    "framing": ((40, 0.2), (100, 1.0)),
    "brightness": ((0, 0.0), (10, 0.4), (25, 1.0), (75, 1.0), (90, 0.4), (100, 0.0)),
    "sharpness": ((0.8, 1.0), (2, 0.85), (3.8, 0.25), (6, 0.05)),
    "openness": ((0.05, 0.05), (0.12, 0.4), (0.25, 1.0)),
    "glare": ((1, 1.0), (20, 0.4), (60, 0.0)),
    "contrast": ((5, 0.05), (12, 0.4), (35, 1.0)),
    "gaze": ((0.08, 1.0), (0.25, 0.6), (0.5, 0.3)),
    "yaw": ((10, 1.0), (35, 0.6), (70, 0.2)),
}
"""Points (value, factor) between which each measure's factor of the score is interpolated."""


def _score(measures: list[QualityMeasure]) -> float:
    """Multiply the factors of all measures: one bad property is enough for a bad frame."""
    score = 1.0
    for measure in measures:
        points = RANKING.get(measure.name)
        if points:
            values, factors = zip(*points, strict=True)
            score *= float(np.interp(measure.value, values, factors))
    return score
