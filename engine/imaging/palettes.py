"""Colours that people with any colour vision can tell apart, and the colours of heat.

The eight colours are those of M. Okabe and K. Ito, *Color Universal Design* (2008); the heat
colours are viridis (S. van der Walt and N. Smith, 2015), whose lightness rises evenly, so that it
reads in grey print as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError

__all__ = ["OKABE_ITO", "ROLES", "Colour", "colour_of", "heat_colours", "text_on", "to_hex"]

Colour = tuple[int, int, int]
"""Red, green, blue in 0..255."""

OKABE_ITO: Mapping[str, Colour] = MappingProxyType(
    {
        "black": (0, 0, 0),
        "orange": (230, 159, 0),
        "sky blue": (86, 180, 233),
        "bluish green": (0, 158, 115),
        "yellow": (240, 228, 66),
        "blue": (0, 114, 178),
        "vermillion": (213, 94, 0),
        "reddish purple": (204, 121, 167),
    }
)

ROLES: Mapping[str, Colour] = MappingProxyType(
    {
        "Cataract": OKABE_ITO["blue"],
        "Conjunctivitis": OKABE_ITO["vermillion"],
        "Healthy": OKABE_ITO["bluish green"],
        "Stye": OKABE_ITO["reddish purple"],
        "face": OKABE_ITO["yellow"],
        "left": OKABE_ITO["sky blue"],
        "right": OKABE_ITO["orange"],
        "passed": OKABE_ITO["bluish green"],
        "not passed": OKABE_ITO["vermillion"],
    }
)
"""What each colour stands for. No two classes share one; colour never stands alone: a word or a
shape always says the same."""

_CYCLE = ("blue", "vermillion", "bluish green", "reddish purple", "orange", "sky blue", "yellow")


def colour_of(role: str, *, index: int = 0) -> Colour:
    """Return the colour of ``role``; an unknown role gets the ``index``-th of seven colours.

    >>> colour_of("Healthy")
    (0, 158, 115)
    """
    return ROLES.get(role) or OKABE_ITO[_CYCLE[index % len(_CYCLE)]]


def to_hex(colour: Colour) -> str:
    """Return a colour as CSS writes it.

    >>> to_hex((0, 158, 115))
    '#009e73'
    """
    if len(colour) != 3 or not all(0 <= part <= 255 for part in colour):
        raise InputError(f"Expected red, green and blue in 0..255, but got {colour}.")
    return "#{:02x}{:02x}{:02x}".format(*colour)


def text_on(colour: Colour) -> Colour:
    """Return black or white, whichever has the higher contrast on ``colour`` (WCAG 2.2, §1.4.3).

    >>> text_on((240, 228, 66)), text_on((0, 114, 178))
    ((0, 0, 0), (255, 255, 255))
    """
    # Both contrasts are equal where (L + 0.05)² = 1.05 × 0.05.
    return (0, 0, 0) if _luminance(colour) > (1.05 * 0.05) ** 0.5 - 0.05 else (255, 255, 255)


@cache
def heat_colours() -> NDArray[np.uint8]:
    """Return viridis as ``(256, 3) uint8 RGB``, read-only: row 0 cold and dark, row 255 hot."""
    import cv2  # so that colours alone stay free of it

    ramp = np.arange(256, dtype=np.uint8)[:, np.newaxis]
    colours = np.ascontiguousarray(cv2.applyColorMap(ramp, cv2.COLORMAP_VIRIDIS)[:, 0, ::-1])
    colours.flags.writeable = False
    return np.asarray(colours, dtype=np.uint8)


def _luminance(colour: Colour) -> float:
    """Return the relative luminance 0..1 of an sRGB colour (WCAG 2.2)."""
    shares = [part / 255 for part in colour]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
