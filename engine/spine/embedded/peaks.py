"""Hills of the heat map: where a vertebral body may be, and what the other maps say about it.

A hill that the border of the image cuts still shows on which side its top lies, because the
network draws every hill with one known width. Knows nothing of how hills form a spine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.spine.embedded.maps import Map, SpineMaps
from engine.spine.embedded.targets import SIGMA_MM

__all__ = ["Peaks", "column_evidence", "disc_share", "find_peaks"]

Floats = NDArray[np.float64]

LOWEST_HEAT = 0.08
"""Hills below this are noise; the chain decides about all others."""
MOST_PEAKS = 120
SAME_HILL_MM = 7.5
"""Of tops nearer to each other than this, the higher one counts: C1 and C2 are 12 mm apart in a
small child."""
ARCH_WORTH = 0.7
"""What a voxel of arch says about a spine being here, against one of a body: the atlas has no
body, but an arch on all sides."""
EVIDENCE_MM = 4.5
DISC_MM, DISC_LOWERS = 5.0, 0.5
SMOOTHING = 0.6
"""Standard deviation, in grid points, of the smoothing before tops are looked for."""
OUTSIDE_MM = 3.0
"""A top is placed at most this far outside of the image."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """Tops of hills in the heat map, the highest first.

    ``points_mm`` is ``(n, 3)`` in RAS+ mm, maybe a little outside of the image; ``heat`` is the
    height as it would be in full view, ``evidence`` the share of spine around it, both in 0..1.
    """

    points_mm: Floats
    heat: Floats
    evidence: Floats

    def __len__(self) -> int:
        return len(self.heat)

    def picked(self, indices: NDArray[np.int64]) -> Peaks:
        """Return some of the peaks."""
        return Peaks(
            points_mm=self.points_mm[indices],
            heat=self.heat[indices],
            evidence=self.evidence[indices],
        )


def column_evidence(maps: SpineMaps) -> Map:
    """Return how much the neighbourhood of each grid point is spine, ``(I, J, K)`` in 0..1."""
    spine = maps.of("body") + np.float32(ARCH_WORTH) * maps.of("arch")
    spine += maps.of("disc")
    sigma = EVIDENCE_MM / maps.spacing_mm
    return np.asarray(
        ndimage.gaussian_filter(np.minimum(spine, 1.0), sigma, mode="nearest", truncate=2.0),
        np.float32,
    )


def disc_share(maps: SpineMaps) -> Map:
    """Return how far each grid point of the column looks like disc and not like body, 0..1.

    A network that has learnt little draws a ridge along the spine in place of hills; discs still
    tell where one body ends and the next one begins. Averaged across the spine, not along it.
    """
    across = DISC_MM / maps.spacing_mm
    disc, body = (
        ndimage.gaussian_filter(maps.of(name), (across, across, 0.4), mode="nearest", truncate=2.5)
        for name in ("disc", "body")
    )
    return np.asarray(disc / (disc + body + np.float32(0.05)), np.float32)


def find_peaks(maps: SpineMaps, evidence: Map, discs: Map, *, lowest: float = LOWEST_HEAT) -> Peaks:
    """Return the tops of all hills of at least ``lowest``.

    Parameters
    ----------
    maps
        The network's answers.
    evidence
        :func:`column_evidence` of the same maps.
    discs
        :func:`disc_share` of the same maps; hills are lowered there.
    lowest
        Least height, 0..1.
    """
    heat = maps.heat * (1.0 - np.float32(DISC_LOWERS) * discs)
    heat = ndimage.gaussian_filter(heat, SMOOTHING, mode="nearest", truncate=3.0)
    top = ndimage.maximum_filter(heat, size=3, mode="constant", cval=-1.0)
    at = np.argwhere((heat == top) & (heat >= lowest))
    heights = heat[tuple(at.T)]
    at = at[np.argsort(-heights, kind="stable")][: 4 * MOST_PEAKS]
    tops, heights = _refined(maps, heat, at)
    points = maps.world(tops)
    kept = _apart(points, heights)[:MOST_PEAKS]
    return Peaks(
        points_mm=points[kept],
        heat=heights[kept],
        evidence=maps.read(evidence, points[kept]),
    )


def _refined(maps: SpineMaps, heat: Map, at: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Place each top between grid points, from the slope of the logarithm to both sides.

    On a hill of known width the logarithm of two neighbours differs by a straight function of the
    distance to the top; so one neighbour is enough where the other lies outside of the map.
    """
    if not len(at):
        return np.empty((0, 3)), np.empty(0)
    own = (SIGMA_MM / maps.spacing_mm) ** 2
    variance = own + SMOOTHING**2
    log = np.log(np.maximum(heat[tuple(at.T)], 1e-3).astype(np.float64))
    limit = OUTSIDE_MM / maps.spacing_mm
    shift = np.zeros((len(at), 3))
    for axis in range(3):
        found = []
        for side in (-1, 1):
            beside = at.copy()
            beside[:, axis] += side
            inside = (beside[:, axis] >= 0) & (beside[:, axis] < maps.shape[axis])
            beside[:, axis] = np.clip(beside[:, axis], 0, maps.shape[axis] - 1)
            slope = np.log(np.maximum(heat[tuple(beside.T)], 1e-3)) - log
            found.append(np.where(inside, side * (variance * slope + 0.5), np.nan))
        both = np.clip(np.mean(found, axis=0), -0.6, 0.6)
        one = np.clip(np.nan_to_num(np.nanmax(np.stack(found), axis=0)), -limit, limit)
        shift[:, axis] = np.where(np.isnan(both), one, both)
    heights = np.exp(log + (shift**2).sum(axis=1) / (2.0 * variance)) * (variance / own) ** 1.5
    return at + shift, np.minimum(heights, 1.0)


def _apart(points: Floats, heights: Floats) -> NDArray[np.int64]:
    """Keep the highest of tops that lie together."""
    kept: list[int] = []
    for i in np.argsort(-heights, kind="stable").tolist():
        if all(np.linalg.norm(points[i] - points[j]) >= SAME_HILL_MM for j in kept):
            kept.append(i)
    return np.asarray(kept, np.int64)
