"""The rules on drawn discs whose number, size and shape are known."""

from __future__ import annotations

import numpy as np
import pytest

from engine.cells.classical.detector import ClassicalDetector
from engine.cells.classical.parameters import LIMITS, Parameters
from engine.cells.classical.stain import nuclear_density, otsu
from engine.cells.names import LYMPHOCYTE, PLATELET, WBC
from engine.errors import PictureError, RequestError
from tests.engine.cells.smears import CYTOPLASM, NUCLEUS, PAPER, RED, disc_smear, lymphocyte


def test_a_round_nucleus_that_fills_its_cell_is_a_lymphocyte() -> None:
    """One disc in a thin rim: one lymphocyte, its box that of the cell within 3 pixels."""
    found = ClassicalDetector().detect(disc_smear(*lymphocyte(150, 120)))
    assert [cell.label for cell in found.cells] == [LYMPHOCYTE]
    cell = found.cells[0]
    corners = (cell.x, cell.y, cell.x + cell.width, cell.y + cell.height)
    assert corners == pytest.approx((120, 90, 180, 150), abs=3)


def test_red_cells_are_left_alone() -> None:
    """Discs in the colour of haemoglobin hold no nuclear stain."""
    found = ClassicalDetector().detect(
        disc_smear(*[((60 + 70 * i, 150), 30, RED) for i in range(5)])
    )
    assert found.cells == ()


def test_a_nucleus_of_lobes_is_one_cell_and_no_lymphocyte() -> None:
    """Three lobes with gaps of a few pixels in one cytoplasm: one other white cell."""
    lobes = [((180, 140), 18, NUCLEUS), ((222, 140), 18, NUCLEUS), ((201, 176), 18, NUCLEUS)]
    found = ClassicalDetector().detect(disc_smear(((201, 152), 52, CYTOPLASM), *lobes))
    assert [cell.label for cell in found.cells] == [WBC]


def test_two_nuclei_that_touch_are_two() -> None:
    """Discs that overlap by a sixth of their width are cut apart."""
    touching = [((150, 150), 30, NUCLEUS), ((202, 150), 30, NUCLEUS)]
    found = ClassicalDetector(Parameters(join_px=0)).detect(disc_smear(*touching))
    assert len([cell for cell in found.cells if cell.label.startswith("WBC")]) == 2


def test_a_small_stained_body_is_a_platelet() -> None:
    """A disc of 20 pixels where nuclei begin at 30."""
    found = ClassicalDetector().detect(disc_smear(*lymphocyte(100, 100), ((300, 200), 10, NUCLEUS)))
    assert sorted(cell.label for cell in found.cells) == sorted([LYMPHOCYTE, PLATELET])


def test_reducing_first_gives_boxes_in_pixels_of_the_picture() -> None:
    """With ``downscale`` 2 the same cell is found in the same place."""
    picture = disc_smear(*lymphocyte(150, 120))
    full = ClassicalDetector().detect(picture).cells[0]
    half = ClassicalDetector(Parameters(downscale=2)).detect(picture).cells[0]
    assert (half.x, half.y, half.width) == pytest.approx((full.x, full.y, full.width), abs=5)


@pytest.mark.parametrize("gains", [(0.7, 0.9, 1.0), (1.0, 0.85, 0.7)])
def test_another_lamp_changes_nothing(gains: tuple[float, float, float]) -> None:
    """A tinted picture holds the same cells."""
    picture = disc_smear(*lymphocyte(150, 120), ((300, 200), 30, RED))
    tinted = (picture * np.array(gains)).astype(np.uint8)
    found = ClassicalDetector().detect(tinted)
    assert [cell.label for cell in found.cells] == [LYMPHOCYTE]


def test_an_empty_slide_has_no_cells() -> None:
    """Noise on paper is not taken for stain."""
    noise = np.random.default_rng(1).normal(0, 2, (300, 400, 3))
    picture = np.clip(np.array(PAPER) + noise, 0, 255).astype(np.uint8)
    assert ClassicalDetector().detect(picture).cells == ()


def test_density_of_the_slide_is_zero_and_of_a_nucleus_is_beers_law() -> None:
    """Density is log10 of paper over light: in red 230/95 less 0.6 of that in blue."""
    density = nuclear_density(disc_smear(((150, 150), 40, NUCLEUS)))
    expected = np.log10(231 / 96) - 0.6 * np.log10(226 / 166)
    assert density[5, 5] == 0.0
    assert density[150, 150] == pytest.approx(expected, rel=0.01)


def test_otsu_falls_between_two_levels() -> None:
    """Half at 0.1, half at 0.5: the threshold parts them."""
    density = np.repeat(np.array([[0.1], [0.5]], np.float32), 5000, axis=1)
    assert 0.09 < otsu(density) < 0.5


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_values_out_of_limits_are_named(name: str) -> None:
    """The sentence names the parameter and its limits."""
    with pytest.raises(RequestError, match=f"'{name}' must be a number from"):
        Parameters(**{name: LIMITS[name][1] + 1})


def test_sizes_the_wrong_way_round_are_refused() -> None:
    """The smallest nucleus must be smaller than the largest."""
    with pytest.raises(RequestError, match="must be below 'largest_px'"):
        Parameters(smallest_px=200, largest_px=100)


@pytest.mark.parametrize("shape", [(10, 10), (10, 10, 4), (10, 10, 1)])
def test_other_arrays_are_refused(shape: tuple[int, ...]) -> None:
    """Only (H, W, 3) uint8 is a picture."""
    with pytest.raises(PictureError, match="uint8 RGB"):
        ClassicalDetector().detect(np.zeros(shape, np.uint8))
