"""One click and no learning: Otsu's threshold on a stain, and watershed between what touches.

Stains are separated as light is absorbed: optical densities of red, green and blue are a mixture
of haematoxylin, eosin and a rest (Ruifrok and Johnston, Anal. Quant. Cytol. Histol. 23, 2001).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.annotation.automask.proposals import Proposal
from engine.errors import RequestError
from engine.imaging.masks import BACKGROUND, HEALTHY, NOT_ANNOTATED, UNHEALTHY

__all__ = ["haematoxylin", "stained", "tissue"]

# Densities of red, green and blue for haematoxylin, eosin, and DAB in place of the rest.
_STAINS: Final = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))
_TISSUE_BLUR: Final = 1 / 200  # of the shorter side
_SMALLEST_TISSUE: Final = 1 / 500  # of the picture: smaller pieces are dirt, smaller holes lumina
_DENSITY_TOP: Final = 2.0
_SMALLEST_SPREAD: Final = 6  # of 255: below this there is nothing to tell apart


def tissue(
    picture: NDArray[np.uint8], *, state: int = HEALTHY, outside: int = BACKGROUND
) -> Proposal:
    """Propose ``state`` where tissue is and ``outside`` on the glass.

    Otsu's threshold on smoothed density, whatever the stain; pieces below 1/500 of the picture go
    with what surrounds them, so the light inside of a gland is tissue.

    Parameters
    ----------
    picture
        ``(H, W, 3) uint8`` RGB, light glass.
    state
        What tissue gets.
    outside
        What the glass gets.

    Raises
    ------
    RequestError
        When the picture has another shape, or is of one brightness throughout.
    """
    density = _density(_checked(picture)).mean(axis=2)
    sigma = max(1.0, min(density.shape) * _TISSUE_BLUR)
    levels = _smoothed(_levels(density), sigma)
    # Otsu may part dark nuclei from all else; what lies above it is one, so the glass comes next.
    inside = _above_otsu(np.minimum(levels, np.uint8(_otsu(levels))))
    limit = int(inside.size * _SMALLEST_TISSUE)
    inside = _without_small(_without_small(inside, limit), limit, invert=True)
    mask = np.where(inside, np.uint8(state), np.uint8(outside))
    share = inside.mean()
    sentence = f"Tissue by its density (Otsu): {share:.0%} of the picture."
    return Proposal(mask=mask, origin="stain", sentence=sentence)


def stained(
    picture: NDArray[np.uint8], *, state: int = UNHEALTHY, smallest_px: int = 12
) -> Proposal:
    """Propose ``state`` where haematoxylin is dense, as nuclei are; nothing elsewhere.

    Otsu's threshold on the separated stain; what touches is parted by a watershed of the distance
    to the edge, by a line one pixel wide without proposal, so each can be taken alone.

    Parameters
    ----------
    picture
        ``(H, W, 3) uint8`` RGB, stained with haematoxylin.
    state
        What dark pieces get.
    smallest_px
        Smaller pieces are left out.

    Raises
    ------
    RequestError
        When the picture has another shape, or no stain to tell apart.
    """
    density = haematoxylin(picture)
    inside = _above_otsu(_smoothed(_levels(density), 1.0))
    inside = _without_small(inside, smallest_px)
    parts, number = _parted(inside)
    mask = np.where(parts, np.uint8(state), np.uint8(NOT_ANNOTATED))
    sentence = f"{number:,} dark pieces by haematoxylin (Otsu, watershed)."
    return Proposal(mask=mask, origin="stain", sentence=sentence)


def haematoxylin(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how much haematoxylin absorbs at each pixel, ``(H, W)``, never below 0.

    Raises
    ------
    RequestError
        When the picture is not ``(H, W, 3)``.
    """
    stains = np.array(_STAINS)
    stains /= np.linalg.norm(stains, axis=1, keepdims=True)
    unmix = np.linalg.inv(stains)[:, 0].astype(np.float32)
    return np.asarray(np.maximum(_density(_checked(picture)) @ unmix, 0), np.float32)


def _checked(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise RequestError(f"Expected a picture (height, width, 3), but got {picture.shape}.")
    return picture


def _density(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    table = -np.log10((np.arange(256, dtype=np.float64) + 1) / 256).astype(np.float32)
    return np.asarray(table[picture], np.float32)


def _levels(density: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(density * (255 / _DENSITY_TOP), 0, 255), np.uint8)


def _smoothed(levels: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.GaussianBlur(levels, (0, 0), sigma), np.uint8)


def _otsu(levels: NDArray[np.uint8]) -> int:
    import cv2

    return int(cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0]) + 1


def _above_otsu(levels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    if int(levels.max()) - int(levels.min()) < _SMALLEST_SPREAD:
        raise RequestError(
            "The picture is nearly of one density, so a threshold finds nothing; paint scribbles "
            "to teach instead."
        )
    return np.asarray(levels >= _otsu(levels))


def _without_small(
    inside: NDArray[np.bool_], limit: int, *, invert: bool = False
) -> NDArray[np.bool_]:
    """Return ``inside`` without pieces (with ``invert``: holes) of fewer pixels than ``limit``."""
    import cv2

    wanted = ~inside if invert else inside
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(wanted.astype(np.uint8), connectivity=4)
    keep = boxes[:, cv2.CC_STAT_AREA] >= limit
    keep[0] = False
    kept = keep[labels]
    return np.asarray(~kept if invert else kept)


def _parted(inside: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """Return ``inside`` without the lines between pieces that touch, and how many pieces."""
    import cv2
    from skimage.segmentation import watershed

    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    depth = cv2.GaussianBlur(depth, (0, 0), 1.0)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    peaks = inside & (depth >= cv2.dilate(depth, around)) & (depth > 1.0)
    number, seeds = cv2.connectedComponents(peaks.astype(np.uint8), connectivity=8)
    whole, pieces = cv2.connectedComponents(inside.astype(np.uint8), connectivity=8)
    seeded = np.zeros(whole, np.bool_)
    seeded[pieces[seeds > 0]] = True
    found = watershed(  # type: ignore[no-untyped-call]
        -depth, seeds, mask=inside, watershed_line=True
    )
    parts = found > 0
    lonely = inside & ~seeded[pieces]  # too thin for a peak
    return np.asarray(parts | lonely), number - 1 + int((~seeded[1:]).sum())
