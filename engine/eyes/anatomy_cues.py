"""Clinical cues: numbers that a reader of an eye would name, measured on its pixels.

Colours are CIE L*a*b* (D65) of sRGB pixels: L* 0..100, a* green (−) to red (+), b* blue (−) to
yellow (+). Cameras and lamps shift them, so each comes with a comparison inside the same picture.

====================  ==========================================================================
``sclera_redness``    median of (R − G) / (R + G) of the sclera, −1..1; pale below about 0.08
``sclera_a``          median a* of the sclera
``sclera_a_to_skin``  the same minus the median a* of the lids' skin; near 0: as red as skin
``vessel_share``      share (0..1) of the sclera that is redder than its surroundings by 4 a*
``pupil_brightness``  median L* of the pupil without reflections over that of the sclera, 0..
``pupil_to_iris``     median L* of the pupil minus that of the iris; above 0: paler than the iris
``pupil_a``           median a* of the pupil without reflections
``pupil_b``           median b* of the pupil without reflections; lenses yellow with age
``pupil_chroma``      median distance of the pupil's colour from grey
``pupil_texture``     standard deviation of L* inside the pupil without reflections
``pupil_iris_ratio``  diameter of the pupil over that of the iris, 0..1
``glare_share``       share (0..1) of iris and pupil under reflections
``lid_asymmetry``     how much redder (a*) the reddest eighth of the lids is than the median one
====================  ==========================================================================

Redness from colours of the white of the eye: Amparo et al., Invest Ophthalmol Vis Sci 54, 2013,
doi:10.1167/iovs.13-12217. Lens opacity from its brightness and colour under a lamp: Chylack et
al. (LOCS III), Arch Ophthalmol 111, 1993, doi:10.1001/archopht.1993.01090060119035; here only in
words, since a photograph by any camera is no slit-lamp image. A cue that cannot be measured (no
sclera shown, say) is absent, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.eyes.anatomy_shapes import Mask, Shapes

__all__ = ["CUES", "measure_cues"]

CUES: Final = (
    "sclera_redness",
    "sclera_a",
    "sclera_a_to_skin",
    "vessel_share",
    "pupil_brightness",
    "pupil_to_iris",
    "pupil_a",
    "pupil_b",
    "pupil_chroma",
    "pupil_texture",
    "pupil_iris_ratio",
    "glare_share",
    "lid_asymmetry",
)
"""All names that may occur."""

_FEW: Final = 12  # pixels below which a median says little
_VESSEL_A: Final = 4.0
_SECTORS: Final = 8


def measure_cues(
    pixels: NDArray[np.uint8], labels: NDArray[np.uint8], shapes: Shapes
) -> Mapping[str, float]:
    """Measure all cues of the main eye of a view, (H, W, 3) uint8 RGB with its labels (H, W)."""
    place = _surroundings(shapes)
    near, far = _lid_band_px(shapes)
    opening, labels = shapes.opening[place], labels[place]
    values = pixels[place].astype(np.float32) / np.float32(255)
    lab = np.asarray(cv2.cvtColor(values, cv2.COLOR_RGB2LAB), np.float32)
    a = np.ascontiguousarray(lab[..., 1])
    glare = _glare(lab)
    away = cv2.distanceTransform((~opening).astype(np.uint8), cv2.DIST_L2, 3)
    lids = np.asarray((away > near) & (away <= far))
    cues: dict[str, float] = {}
    sclera = _shrunk(opening & (labels == 1)) & ~glare
    if sclera.sum() >= _FEW:
        _measure_sclera(cues, pixels[place], a, sclera, lids)
    iris, pupil = opening & (labels == 2), opening & (labels == 3)
    ball = iris | pupil
    if ball.sum() >= _FEW:
        cues["glare_share"] = float((glare & ball).sum() / ball.sum())
    _measure_pupil(cues, lab, pupil & ~glare, iris & ~glare, sclera)
    if shapes.iris is not None and shapes.pupil is not None and shapes.iris.radius > 0:
        cues["pupil_iris_ratio"] = min(shapes.pupil.radius / shapes.iris.radius, 1.0)
    asymmetry = _lid_asymmetry(a, lids, shapes, place)
    if asymmetry is not None:
        cues["lid_asymmetry"] = asymmetry
    return cues


def _lid_band_px(shapes: Shapes) -> tuple[float, float]:
    """Return from where to where around the opening skin counts as lid: 0.03..0.17 eye widths."""
    (x0, y0), (x1, y1) = shapes.corners
    width = math.hypot(x1 - x0, y1 - y0)
    return max(1.0, 0.03 * width), max(3.0, 0.17 * width)


def _surroundings(shapes: Shapes) -> tuple[slice, slice]:
    """Return rows and columns of the opening and its lids."""
    reach = math.ceil(_lid_band_px(shapes)[1]) + 2
    rows = np.flatnonzero(shapes.opening.any(axis=1))
    columns = np.flatnonzero(shapes.opening.any(axis=0))
    return (
        slice(max(int(rows[0]) - reach, 0), int(rows[-1]) + 1 + reach),
        slice(max(int(columns[0]) - reach, 0), int(columns[-1]) + 1 + reach),
    )


def _glare(lab: NDArray[np.float32]) -> Mask:
    """Find reflections: nearly white and far brighter than what lies around them."""
    lightness = np.ascontiguousarray(lab[..., 0])
    bright = lightness > 88
    if not bright.any():
        return bright
    around = cv2.blur(lightness, (25, 25))
    bright &= (lightness > around + 14) & (np.hypot(lab[..., 1], lab[..., 2]) < 22)
    return np.asarray(cv2.dilate(bright.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _median(values: NDArray[np.floating]) -> float:
    """Return the middle value (the upper of two); numpy's own takes ten times as long on few."""
    middle = values.size // 2
    return float(np.partition(values, middle)[middle])


def _shrunk(mask: Mask) -> Mask:
    """Take off one pixel all round: borders mix two tissues."""
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _measure_sclera(
    cues: dict[str, float],
    pixels: NDArray[np.uint8],
    a: NDArray[np.float32],
    sclera: Mask,
    lids: Mask,
) -> None:
    red = pixels[..., 0][sclera].astype(np.float64)
    green = pixels[..., 1][sclera].astype(np.float64)
    lit = red + green > 20  # in the dark, noise decides the ratio
    if lit.sum() >= _FEW:
        ratio = (red[lit] - green[lit]) / (red[lit] + green[lit])
        cues["sclera_redness"] = _median(ratio)
    cues["sclera_a"] = _median(a[sclera])
    if lids.sum() >= _FEW:
        cues["sclera_a_to_skin"] = cues["sclera_a"] - _median(a[lids])
    weight = sclera.astype(np.float32)
    total = cv2.blur(a * weight, (15, 15))
    count = np.maximum(cv2.blur(weight, (15, 15)), np.float32(1e-6))
    redder = a - total / count > _VESSEL_A
    cues["vessel_share"] = float((redder & sclera).sum() / sclera.sum())


def _measure_pupil(
    cues: dict[str, float], lab: NDArray[np.float32], pupil: Mask, iris: Mask, sclera: Mask
) -> None:
    core = _shrunk(pupil)
    pupil = core if core.sum() >= _FEW else pupil
    if pupil.sum() < _FEW:
        return
    inside = lab[pupil]
    lightness = _median(inside[:, 0])
    cues["pupil_a"] = _median(inside[:, 1])
    cues["pupil_b"] = _median(inside[:, 2])
    cues["pupil_chroma"] = _median(np.hypot(inside[:, 1], inside[:, 2]))
    cues["pupil_texture"] = float(inside[:, 0].std())
    if iris.sum() >= _FEW:
        cues["pupil_to_iris"] = lightness - _median(lab[..., 0][iris])
    if sclera.sum() >= _FEW:
        cues["pupil_brightness"] = lightness / max(_median(lab[..., 0][sclera]), 1.0)


def _lid_asymmetry(
    a: NDArray[np.float32], lids: Mask, shapes: Shapes, place: tuple[slice, slice]
) -> float | None:
    """Compare eighths of the lids' band around the opening's middle, on every other pixel."""
    rows, columns = np.nonzero(lids[::2, ::2])
    if len(rows) < 3 * _SECTORS:
        return None
    (x0, y0), (x1, y1) = shapes.corners
    lean = math.atan2(y1 - y0, x1 - x0)
    down = 2 * rows + (place[0].start + 0.5 - (y0 + y1) / 2)
    right = 2 * columns + (place[1].start + 0.5 - (x0 + x1) / 2)
    turn = np.arctan2(down, right) - lean
    sector = ((turn / (2 * np.pi) * _SECTORS) % _SECTORS).astype(int)
    redness = a[::2, ::2][rows, columns]
    parts = [redness[sector == k] for k in range(_SECTORS)]
    medians = [_median(part) for part in parts if len(part) >= _FEW // 4]
    return max(medians) - sorted(medians)[len(medians) // 2] if len(medians) >= 4 else None
