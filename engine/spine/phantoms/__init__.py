"""CTs of spines that we draw ourselves, with everything known about them.

:func:`spine_phantom` makes a CT of an imagined patient from a random generator alone: a seed is
the patient. The phantoms train the embedded network, give tests exact answers and the page its
examples. They are drawings: no figure measured on them says how good a model is on real CTs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.spine.phantoms.drawing import spine_phantom
    from engine.spine.phantoms.sizes import LABEL_CODES, SACRUM_CODE, STRUCTURES
    from engine.spine.phantoms.traits import (
        Disease,
        Implants,
        Posture,
        Scan,
        Tissues,
        Traits,
        sample_scan,
        sample_traits,
    )
    from engine.spine.phantoms.truth import SpinePhantom, VertebraTruth

__all__ = [
    "LABEL_CODES",
    "SACRUM_CODE",
    "STRUCTURES",
    "Disease",
    "Implants",
    "Posture",
    "Scan",
    "SpinePhantom",
    "Tissues",
    "Traits",
    "VertebraTruth",
    "sample_scan",
    "sample_traits",
    "spine_phantom",
]

_HOMES = {
    "LABEL_CODES": "sizes",
    "SACRUM_CODE": "sizes",
    "STRUCTURES": "sizes",
    "Disease": "traits",
    "Implants": "traits",
    "Posture": "traits",
    "Scan": "traits",
    "SpinePhantom": "truth",
    "Tissues": "traits",
    "Traits": "traits",
    "VertebraTruth": "truth",
    "sample_scan": "traits",
    "sample_traits": "traits",
    "spine_phantom": "drawing",
}


def __getattr__(name: str) -> object:
    """Load the module of a public name on first use, so that importing the package is light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
