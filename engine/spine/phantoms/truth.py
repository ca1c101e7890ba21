"""What is known of a phantom: the volume, its maps, and a record of every vertebra in view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.imaging.volumes import Volume
from engine.spine.phantoms.sizes import STRUCTURES
from engine.spine.phantoms.traits import Scan, Traits
from engine.spine.vertebrae import Bounds, Point

__all__ = ["SpinePhantom", "VertebraTruth"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraTruth:
    """One vertebra of which at least one voxel is in view.

    ``centre_mm`` is the centre of the body (for C1 the point between both lateral masses), exact
    and the same for every voxel size, even when it lies out of view (``centre_in_view``).
    ``bounds_mm`` and ``volume_ml`` are those of the whole vertebra, also where the view cuts it;
    both are measured on the lattice of the volume, so bounds are good to a voxel.
    ``in_view`` and ``body_in_view`` are the parts of vertebra and body in view (0..1), and
    ``truncated`` says that one of them is below 1. ``up`` is the direction of the body towards the
    head, ``height_mm`` its height at the rim and ``body_hu`` the CT number of its inside.
    """

    label: str
    code: int
    centre_mm: Point
    bounds_mm: Bounds
    volume_ml: float
    body_ml: float
    height_mm: float
    body_hu: float
    up: Point
    in_view: float
    body_in_view: float
    centre_in_view: bool
    truncated: bool
    fractured: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SpinePhantom:
    """A CT of an imagined patient, with everything known about it.

    All maps have the shape of ``volume.voxels``. ``labels`` holds
    :data:`~engine.spine.phantoms.sizes.LABEL_CODES` (VerSe's codes, 26 the sacrum), ``bodies`` the
    vertebral bodies alone, ``structures``
    :data:`~engine.spine.phantoms.sizes.STRUCTURES` and ``rib_levels`` the number n of the ribs of
    the n-th thoracic vertebra. ``spine`` names all vertebrae of the patient, in view or not.
    """

    volume: Volume
    labels: NDArray[np.uint8]
    bodies: NDArray[np.bool_]
    structures: NDArray[np.uint8]
    rib_levels: NDArray[np.uint8]
    vertebrae: tuple[VertebraTruth, ...]
    spine: tuple[str, ...]
    axis_codes: str
    traits: Traits
    scan: Scan

    def structure(self, name: str) -> NDArray[np.bool_]:
        """Return where one of :data:`~engine.spine.phantoms.sizes.STRUCTURES` is."""
        return np.equal(self.structures, STRUCTURES[name])

    @property
    def ribs(self) -> NDArray[np.bool_]:
        """Where ribs are."""
        return self.rib_levels > 0

    @property
    def sacrum(self) -> NDArray[np.bool_]:
        """Where the sacrum is."""
        return self.structure("sacrum")

    @property
    def skull(self) -> NDArray[np.bool_]:
        """Where skull, skull base and jaw are."""
        return self.structure("skull")

    @property
    def levels_in_view(self) -> tuple[str, ...]:
        """Names of the vertebrae whose centre is in view, from the head down."""
        return tuple(one.label for one in self.vertebrae if one.centre_in_view)
