"""Colours: told apart by people with any colour vision, and readable with text on them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from engine.errors import InputError
from engine.imaging import palettes

CLASSES = ("Cataract", "Conjunctivitis", "Healthy", "Stye")

# G. M. Machado et al., A physiologically-based model for simulation of color vision deficiency,
# IEEE TVCG 15 (2009), severity 1.0; on linear light.
DEFICIENCIES = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def seen_with(matrix: list[list[float]], colours: np.ndarray) -> np.ndarray:
    """Return sRGB colours 0..1 as somebody with the deficiency sees them."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(matrix).T, 0, 1)
    return np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("name", DEFICIENCIES)
def test_classes_differ_for_every_colour_vision(name: str) -> None:
    """Any two class colours are at least 10 CIEDE2000 apart under each deficiency."""
    colours = np.array([palettes.colour_of(label) for label in CLASSES]) / 255
    lab = rgb2lab(seen_with(DEFICIENCIES[name], colours))
    for one, other in itertools.combinations(lab, 2):
        assert deltaE_ciede2000(one, other) >= 10


def test_every_class_has_its_own_colour() -> None:
    """No two classes share a colour."""
    assert len({palettes.colour_of(label) for label in CLASSES}) == 4


def test_unknown_roles_get_colours_in_turn() -> None:
    """Classes of somebody's own model get different colours by their position."""
    assert len({palettes.colour_of("?", index=index) for index in range(7)}) == 7
    assert palettes.colour_of("?", index=0) == palettes.colour_of("?", index=7)


@pytest.mark.parametrize("name", palettes.OKABE_ITO)
def test_text_is_readable_on_every_colour(name: str) -> None:
    """Black or white, whichever was chosen, has at least 4.5 : 1 (WCAG 2.2 AA)."""
    colour = palettes.OKABE_ITO[name]
    paper, ink = (
        rgb2lab(np.array([[c]], np.uint8))[0, 0, 0] for c in (colour, palettes.text_on(colour))
    )
    light, dark = (
        ((L + 16) / 116) ** 3 if L > 8 else L / 903.3 for L in sorted((paper, ink))[::-1]
    )
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_heat_gets_lighter_evenly() -> None:
    """Lightness rises with heat, in steps that never differ much: it reads in grey print."""
    lightness = rgb2lab(palettes.heat_colours()[np.newaxis])[0, :, 0]
    steps = np.diff(lightness[::16])
    assert steps.min() > 0
    assert steps.max() < 2 * steps.min()


def test_heat_colours_cannot_be_changed() -> None:
    """The shared table is read-only."""
    with pytest.raises(ValueError, match="read-only"):
        palettes.heat_colours()[0, 0] = 1


@pytest.mark.parametrize("colour", [(256, 0, 0), (-1, 0, 0), (1, 2)])
def test_impossible_colours(colour: tuple[int, ...]) -> None:
    """Parts outside 0..255 are no colour."""
    with pytest.raises(InputError, match=r"in 0\.\.255"):
        palettes.to_hex(colour)
