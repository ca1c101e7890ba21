"""The whole spine in one flat picture: a slice that bends along the vertebral bodies.

A straight slice through a curved spine misses part of it. Here each row of a sagittal picture is
taken where the bodies at its height are, from left to right, and of a coronal picture from front to
back; lengths along rows and between rows stay true, and nothing is stretched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.spine.pictures.colours import colour_of_code
from engine.spine.pictures.lettering import Lettering, spread
from engine.spine.pictures.windows import Window, window_of

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["Reformat", "labelled_reformat", "reformat"]

Floats = NDArray[np.float64]

HIGHEST_PX = 900
FINEST_MM = 0.25
"""Pixels are not finer than this, and a picture not higher than that."""
BESIDE_MM = {"sagittal": (70.0, 85.0), "coronal": (75.0, 75.0)}
"""How much is shown beside the bodies, to the left and right of the picture."""
ABOVE_MM = 18.0
_FILL, _RIM = 0.30, 0.85
"""Strength of colour inside of a label and along its rim."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Reformat:
    """A bent slice: ``hu (H, W) float32``, ``labels (H, W) uint8`` codes, pixels square in mm.

    ``points`` are (column, row) of the body centres by code. ``left`` and ``right`` are the letters
    of its sides.
    """

    hu: NDArray[np.float32]
    labels: NDArray[np.uint8]
    mm_per_pixel: float
    points: dict[int, tuple[float, float]]
    left: str
    right: str


def reformat(saved: SavedDetection, plane: Literal["sagittal", "coronal"]) -> Reformat:
    """Return the slice along the bodies: sagittal (front on the left) or coronal (right on it).

    Without vertebrae it is the straight slice through the middle.
    """
    spacing = saved.spacing_mm
    shape = saved.hu.shape
    across, through = (1, 0) if plane == "sagittal" else (0, 1)
    centres = _centres(saved)
    rows, columns, step = _pixels(saved, plane, across, centres)
    line = _line(_whole(saved, centres), through, rows, (shape[through] - 1) / 2)
    picture, labels = _sampled(saved, rows, columns, line, across)
    points = {
        found.code: (
            float((columns[0] - centre[across]) * spacing[across] / step),
            float((rows[0] - centre[2]) * spacing[2] / step),
        )
        for found, centre in zip(saved.vertebrae, centres, strict=True)
    }
    left, right = ("A", "P") if plane == "sagittal" else ("R", "L")
    return Reformat(
        hu=picture, labels=labels, mm_per_pixel=step, points=points, left=left, right=right
    )


def labelled_reformat(
    saved: SavedDetection, plane: Literal["sagittal", "coronal"], window: str | Window = "bone"
) -> NDArray[np.uint8]:
    """Return the slice along the bodies as ``(H, W, 3) uint8 RGB`` with coloured, named labels."""
    bent = reformat(saved, plane)
    chosen = window_of(window) if isinstance(window, str) else window
    grey = chosen.grey(bent.hu)
    picture = np.repeat(grey[..., np.newaxis], 3, axis=2)
    for code in np.unique(bent.labels[bent.labels > 0]).tolist():
        _colour_in(picture, bent.labels == code, colour_of_code(code))
    names = {found.code: found.label for found in saved.vertebrae}
    size = _text_px(bent)
    lettering = Lettering(picture, size=size)
    for code, point in _name_places(bent, size).items():
        lettering.write(names[code], point, anchor="mm", bold=True)
    middle = picture.shape[0] / 2
    lettering.write(bent.left, (0.4 * size, middle), anchor="lm")
    lettering.write(bent.right, (picture.shape[1] - 0.4 * size, middle), anchor="rm")
    _bar(lettering, picture.shape[0], 50.0 / bent.mm_per_pixel, size)
    return lettering.picture()


# --- which voxels --------------------------------------------------------------------------------


def _centres(saved: SavedDetection) -> Floats:
    """Return the body centres as indices ``(n, 3)`` of the grid in R, A, S."""
    points = np.array([found.vertebra.centre_mm for found in saved.vertebrae]).reshape(-1, 3)
    inverse = np.linalg.inv(saved.volume_affine)
    centres: Floats = points @ inverse[:3, :3].T + inverse[:3, 3]
    return centres


def _whole(saved: SavedDetection, centres: Floats) -> Floats:
    """Return the centres to follow: what the border cuts may be a mere tip far behind."""
    whole = np.array([not found.vertebra.truncated for found in saved.vertebrae], dtype=bool)
    return centres[whole] if whole.sum() >= 2 else centres


def _pixels(
    saved: SavedDetection, plane: str, across: int, centres: Floats
) -> tuple[Floats, Floats, float]:
    """Return the indices of rows (from the head) and columns, and the pixels' size in mm."""
    spacing, shape = saved.spacing_mm, saved.hu.shape
    low, high = 0.0, shape[2] - 1.0
    if len(centres):
        boxes = [_heights(saved, centre[2]) for centre in centres]
        low = max(0.0, min(box[0] for box in boxes) - ABOVE_MM / spacing[2])
        high = min(shape[2] - 1.0, max(box[1] for box in boxes) + ABOVE_MM / spacing[2])
    tall = (high - low + 1) * spacing[2]
    step = max(FINEST_MM, tall / HIGHEST_PX)
    rows = high - np.arange(max(1, round(tall / step))) * step / spacing[2]
    first, last = 0.0, shape[across] - 1.0
    if len(centres):
        before, behind = BESIDE_MM[plane]  # columns run from front or right, against their axis
        last = min(last, centres[:, across].max() + before / spacing[across])
        first = max(first, centres[:, across].min() - behind / spacing[across])
    wide = (last - first + 1) * spacing[across]
    columns = last - np.arange(max(1, round(wide / step))) * step / spacing[across]
    return rows, columns, step


def _heights(saved: SavedDetection, centre: float) -> tuple[float, float]:
    """Return about where a vertebra begins and ends along the third axis: 25 mm each way."""
    away = 25.0 / saved.spacing_mm[2]
    return centre - away, centre + away


def _line(centres: Floats, through: int, rows: Floats, middle: float) -> Floats:
    """Return where each row is taken along the third direction."""
    if not len(centres):
        return np.full(len(rows), middle)
    order = np.argsort(centres[:, 2])
    line: Floats = np.interp(rows, centres[order, 2], centres[order, through])
    return line


def _sampled(
    saved: SavedDetection, rows: Floats, columns: Floats, line: Floats, across: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Read the bent slice: interpolated in the picture, the nearest voxel through it."""
    shape = saved.hu.shape
    first, last = _between(rows, shape[2])
    # One row of voxels for each plane in view, then interpolation between those.
    planes = np.arange(first, last + 1)
    at = np.clip(np.rint(np.interp(planes, rows[::-1], line[::-1])), 0, None).astype(np.intp)
    at = np.minimum(at, shape[1 - across] - 1)
    low, high = _between(columns, shape[across])
    cut = slice(low, high + 1)
    if across == 1:
        picture, labels = saved.hu[at, cut, planes], saved.labels[at, cut, planes]
    else:
        picture, labels = saved.hu[cut, at, planes].T, saved.labels[cut, at, planes].T
    down, right = rows - first, columns - low
    return _bilinear(picture, down, right), _smooth_labels(labels, down, right)


def _between(index: Floats, count: int) -> tuple[int, int]:
    low = int(np.clip(np.floor(index.min()), 0, count - 1))
    return low, int(np.clip(np.ceil(index.max()), low, count - 1))


def _bilinear(picture: NDArray[Any], down: Floats, right: Floats) -> NDArray[np.float32]:
    import cv2

    columns, rows = np.meshgrid(right.astype(np.float32), down.astype(np.float32))
    return np.asarray(
        cv2.remap(
            np.ascontiguousarray(picture, dtype=np.float32),
            columns,
            rows,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.float32,
    )


def _smooth_labels(labels: NDArray[np.uint8], down: Floats, right: Floats) -> NDArray[np.uint8]:
    """Resample a map so that its rims are smooth: each pixel has the strongest code there."""
    best = np.full((len(down), len(right)), 0.5, np.float32)
    drawn = np.zeros(best.shape, np.uint8)
    for code in np.unique(labels[labels > 0]).tolist():
        share = _bilinear(labels == code, down, right)
        stronger = share > best
        drawn[stronger] = code
        best[stronger] = share[stronger]
    return drawn


# --- drawing -------------------------------------------------------------------------------------


def _colour_in(picture: NDArray[np.uint8], mask: NDArray[np.bool_], colour: Sequence[int]) -> None:
    import cv2

    solid = mask.astype(np.uint8)
    rim = mask & ~cv2.erode(solid, np.ones((3, 3), np.uint8)).astype(np.bool_)
    for part, strength in ((mask, _FILL), (rim, _RIM)):
        mixed = picture[part] * (1 - strength) + np.array(colour) * strength
        picture[part] = np.rint(mixed).astype(np.uint8)


def _name_places(bent: Reformat, size: int) -> dict[int, tuple[float, float]]:
    """Return where names stand: on the bodies, moved where they would hide each other."""
    codes = sorted(bent.points, key=lambda code: bent.points[code][1])
    height = float(bent.labels.shape[0])
    wishes = [bent.points[code][1] for code in codes]
    rows = spread(wishes, least=1.1 * size, within=(0.0, height))
    return {code: (bent.points[code][0], row) for code, row in zip(codes, rows, strict=True)}


def _text_px(bent: Reformat) -> int:
    """Return the height of text: names must not run into each other."""
    heights = sorted(row for _, row in bent.points.values())
    gaps = np.diff(heights)
    room = float(np.median(gaps)) if len(gaps) else 40.0
    return int(np.clip(0.55 * room, 11, 24))


def _bar(lettering: Lettering, height: int, length: float, size: int) -> None:
    base = height - 0.9 * size
    lettering.line([(size, base), (size + length, base)], lettering.ink, width=2)
    lettering.write("50 mm", (size + length + 6, base), anchor="lm")
