"""Colours of vertebrae: told apart by every kind of colour vision."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from engine.spine.pictures import LABEL_COLOURS, palette_json
from engine.spine.pictures.colours import colour_of_code
from engine.spine.segmenters import LABEL_NAMES

CODES = {name: code for code, name in LABEL_NAMES.items()}

# G. Machado, M. Oliveira, L. Fernandes, 2009, doi:10.1109/TVCG.2009.113, severity 1.0, linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
    "lightness alone": np.tile([0.2126, 0.7152, 0.0722], (3, 1)),
}


def seen(colour: tuple[int, int, int], vision: str) -> np.ndarray:
    """CIELAB of a colour as somebody with that vision sees it."""
    share = np.array(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    changed = np.clip(VISION[vision] @ linear, 0, 1)
    back = np.where(changed <= 0.0031308, 12.92 * changed, 1.055 * changed ** (1 / 2.4) - 0.055)
    return rgb2lab(back[np.newaxis, np.newaxis])[0, 0]


def spines() -> dict[str, list[str]]:
    """Every order in which names can follow each other."""
    cervical = [f"C{n}" for n in range(1, 8)]
    thoracic = [f"T{n}" for n in range(1, 13)]
    lumbar = [f"L{n}" for n in range(1, 6)]
    return {
        "regular": [*cervical, *thoracic, *lumbar, "S1"],
        "T13 and L6": [*cervical, *thoracic, "T13", *lumbar, "L6", "S1"],
        "eleven ribs, four lumbar": [*cervical, *thoracic[:11], *lumbar[:4], "S1"],
    }


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("spine", ["regular", "T13 and L6"])
def test_neighbours_differ_for_every_kind_of_vision(vision: str, spine: str) -> None:
    """Neighbours are at least 10 CIEDE2000 apart: 2 is just seen, 10 at a glance."""
    for above, below in pairwise(spines()[spine]):
        one, other = (seen(LABEL_COLOURS[CODES[name]], vision) for name in (above, below))
        assert deltaE_ciede2000(one, other) >= 10, (above, below, vision)


def test_no_neighbours_share_a_colour_where_levels_are_missing() -> None:
    """With eleven thoracic and four lumbar vertebrae neighbours differ as well."""
    for above, below in pairwise(spines()["eleven ribs, four lumbar"]):
        assert LABEL_COLOURS[CODES[above]] != LABEL_COLOURS[CODES[below]]


def test_every_code_has_a_colour_in_the_document() -> None:
    """The page gets one colour for each value that a label map may hold."""
    palette = palette_json()
    assert sorted(map(int, palette)) == sorted(LABEL_NAMES)
    assert palette["24"] == "#{:02x}{:02x}{:02x}".format(*LABEL_COLOURS[24])


def test_a_code_without_meaning_is_grey() -> None:
    """An unknown value never looks like a vertebra."""
    assert len(set(colour_of_code(27))) == 1
    assert colour_of_code(27) not in LABEL_COLOURS.values()
