"""What the embedded network sees and what it has to say: grid, intensities, maps.

:func:`targets_of` is the perfect answer for a phantom, drawn from its truth. It trains the network
and stands in for it in the tests of what reads the maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import RequestError
from engine.spine.phantoms.sizes import LABEL_CODES, STRUCTURES

if TYPE_CHECKING:
    from engine.imaging.volumes import Volume
    from engine.spine.phantoms.truth import SpinePhantom

__all__ = [
    "CLASSES",
    "GRID_MM",
    "LEVELS",
    "REGIONS",
    "SIDE_MULTIPLE",
    "SIGMA_MM",
    "Targets",
    "classes_of",
    "heat_of",
    "normalised",
    "targets_of",
]

GRID_MM: Final = 4.0
"""Side of the network's voxels, which are cubes with axes along RAS+."""

SIGMA_MM: Final = 6.0
"""Standard deviation of the ball that the heat map has around each body's centre."""

SIDE_MULTIPLE: Final = 16
"""The network halves its grid four times: each side of its input is a multiple of this."""

CLASSES: Final = ("background", "body", "arch", "sacrum", "rib", "skull", "disc", "pelvis")
"""What a voxel is. ``arch`` is the rest of a vertebra, ``pelvis`` hip bones and upper femurs."""

REGIONS: Final = ("C", "T", "L")
"""Parts of the spine, read inside of bodies."""

LEVELS: Final[dict[str, float]] = {
    **{
        name: float(n)
        for n, name in enumerate(
            [
                f"{part}{n}"
                for part, count in (("C", 7), ("T", 12), ("L", 6))
                for n in range(1, count + 1)
            ]
        )
    },
    "T13": 18.5,
}
"""Vertebra → place along the spine: 0 C1, 7 T1, 18 T12, 23 L5; T13 lies between T12 and L1."""

_KNOTS_HU = (-1000.0, -200.0, 300.0, 1500.0)
_KNOTS = (-1.0, -0.5, 0.5, 1.0)


def normalised(hu: ArrayLike) -> NDArray[np.float32]:
    """Turn CT numbers into what the network sees, −1..1.

    Lines between four points: air at −1, −200 HU at −0.5, 300 HU at 0.5 and 1500 HU at 1. Half of
    the range is for soft tissue and spongy bone. Values outside of −1000..1500 HU are clipped.

    Parameters
    ----------
    hu
        CT numbers in HU, any shape.

    Examples
    --------
    >>> normalised([-3000.0, -1000.0, 50.0, 300.0, 5000.0]).tolist()
    [-1.0, -1.0, 0.0, 0.5, 1.0]
    """
    return np.asarray(np.interp(np.asarray(hu), _KNOTS_HU, _KNOTS), np.float32)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Targets:
    """What the network should say about one volume; all maps ``(I, J, K)`` on the same grid.

    ``heat`` is 1 at each body's centre in view and falls as a Gaussian of :data:`SIGMA_MM`; where
    two meet the higher counts. ``classes`` are indices of :data:`CLASSES`, ``regions`` indices of
    :data:`REGIONS` inside of bodies and 255 elsewhere, ``levels`` values of :data:`LEVELS` inside
    of bodies and NaN elsewhere.
    """

    volume: Volume
    heat: NDArray[np.float32]
    classes: NDArray[np.uint8]
    regions: NDArray[np.uint8]
    levels: NDArray[np.float32]

    def maps(self) -> dict[str, NDArray[np.float32]]:
        """Return the maps as a perfect network gives them, without the batch axis.

        ``heat`` and ``level`` are ``(1, I, J, K)``, ``classes`` ``(8, I, J, K)`` and ``region``
        ``(3, I, J, K)`` are probabilities. Outside of bodies ``level`` is 0 and ``region`` even.
        """
        classes = np.equal(np.arange(len(CLASSES))[:, None, None, None], self.classes)
        region = np.equal(np.arange(len(REGIONS))[:, None, None, None], self.regions)
        even = np.float32(1.0 / len(REGIONS))
        return {
            "heat": self.heat[None],
            "classes": classes.astype(np.float32),
            "region": np.where(self.regions < len(REGIONS), region.astype(np.float32), even),
            "level": np.nan_to_num(self.levels, nan=0.0)[None],
        }


def targets_of(phantom: SpinePhantom) -> Targets:
    """Return what the network should say about a phantom that was drawn on its grid.

    Parameters
    ----------
    phantom
        Drawn with ``spacing_mm=GRID_MM`` and axis codes ``"RAS"``.

    Raises
    ------
    RequestError
        When the phantom has another grid.
    """
    spacing = phantom.volume.spacing_mm
    if not np.allclose(spacing, GRID_MM, atol=0.01) or phantom.axis_codes != "RAS":
        raise RequestError(
            f"Targets are made on a grid of {GRID_MM:g} mm with axes RAS, but got "
            f"{'×'.join(f'{s:g}' for s in spacing)} mm and {phantom.axis_codes}; draw the phantom "
            f"with spacing_mm={GRID_MM:g}."
        )
    centres = [one.centre_mm for one in phantom.vertebrae if one.centre_in_view]
    shape, labels, bodies = phantom.volume.shape, phantom.labels, phantom.bodies
    at = phantom.volume.voxel(np.asarray(centres, float).reshape(-1, 3))
    level = np.full(256, np.nan, np.float32)
    region = np.full(256, 255, np.uint8)
    for name, code in LABEL_CODES.items():
        level[code] = LEVELS[name]
        region[code] = REGIONS.index(name[0])
    inside = bodies & (region[labels] < 255)
    return Targets(
        volume=phantom.volume,
        heat=heat_of(shape, at),
        classes=classes_of(phantom),
        regions=np.where(inside, region[labels], np.uint8(255)),
        levels=np.where(inside, level[labels], np.float32(np.nan)),
    )


def heat_of(shape: tuple[int, int, int], centres: ArrayLike) -> NDArray[np.float32]:
    """Draw the heat map ``shape`` of body centres ``(n, 3)``, in voxels of :data:`GRID_MM`."""
    heat = np.zeros(shape, np.float32)
    sigma = SIGMA_MM / GRID_MM
    for centre in np.asarray(centres, float).reshape(-1, 3):
        # the ball is the product of one bell for each axis
        bells = [
            np.exp(-0.5 * ((np.arange(count) - place) / sigma) ** 2).astype(np.float32)
            for count, place in zip(shape, centre, strict=True)
        ]
        ball = bells[0][:, None, None] * bells[1][None, :, None] * bells[2][None, None, :]
        np.maximum(heat, ball, out=heat)
    return heat


def classes_of(phantom: SpinePhantom) -> NDArray[np.uint8]:
    """Draw the classes of a phantom of any grid; vertebrae win over discs, discs over the rest."""
    drawn = np.zeros(phantom.volume.shape, np.uint8)
    for structure, name in (
        ("pelvis", "pelvis"),
        ("ribs", "rib"),
        ("skull", "skull"),
        ("sacrum", "sacrum"),
        ("discs", "disc"),
    ):
        drawn[phantom.structures == STRUCTURES[structure]] = CLASSES.index(name)
    vertebra = np.isin(phantom.labels, list(LABEL_CODES.values()))
    drawn[vertebra] = CLASSES.index("arch")
    drawn[vertebra & phantom.bodies] = CLASSES.index("body")
    return drawn
