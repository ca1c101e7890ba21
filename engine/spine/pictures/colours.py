"""One colour for each value of a label map: in slices, meshes, pictures and reports alike.

Neighbours along the spine differ for every kind of colour vision, even for people who see
lightness alone: six of the colours of Okabe and Ito in the one order in which each differs from
the next in lightness as well. Where T13 or L6 step in, and beside the sacrum, the same holds. A
name always stands beside a colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engine.imaging.palettes import OKABE_ITO, Colour, to_hex
from engine.spine.segmenters import LABEL_NAMES, SACRUM_CODE
from engine.spine.vertebrae import REGULAR_LABELS

__all__ = ["LABEL_COLOURS", "colour_of_code", "palette_json"]

_CYCLE = ("reddish purple", "yellow", "sky blue", "vermillion", "orange", "blue")
_EXTRA = {"T13": "blue", "L6": "sky blue"}
_SACRUM: Colour = (220, 220, 220)
_UNKNOWN: Colour = (150, 150, 150)


def _colour(code: int, name: str) -> Colour:
    if code == SACRUM_CODE:
        return _SACRUM
    if name in _EXTRA:
        return OKABE_ITO[_EXTRA[name]]
    return OKABE_ITO[_CYCLE[REGULAR_LABELS.index(name) % len(_CYCLE)]]


LABEL_COLOURS: Mapping[int, Colour] = MappingProxyType(
    {code: _colour(code, name) for code, name in sorted(LABEL_NAMES.items())}
)
"""Value in a label map → red, green, blue in 0..255; the sacrum is grey."""


def colour_of_code(code: int) -> Colour:
    """Return the colour of a value, a middle grey for one that means nothing.

    >>> colour_of_code(24), colour_of_code(99)
    ((0, 114, 178), (150, 150, 150))
    """
    return LABEL_COLOURS.get(code, _UNKNOWN)


def palette_json() -> dict[str, str]:
    """Return the colours as a document: ``{"24": "#0072b2", …}``."""
    return {str(code): to_hex(colour) for code, colour in LABEL_COLOURS.items()}
