"""The software-drawn picture: sides, colours, what hides what, names, and wrong arguments."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.imaging.palettes import Colour
from engine.spine.pictures import LABEL_COLOURS, spine_png
from engine.spine.pictures.lettering import spread
from engine.spine.pictures.rendering import SpineView, spine_picture
from engine.spine.saved import SavedDetection
from tests.engine.spine.shaped_spines import CODES, SPINE, ball, saved_shapes


def decoded(data: bytes) -> NDArray[np.uint8]:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]


def where(picture: NDArray[np.uint8], colour: Colour) -> tuple[float, float, int]:
    """Return the mean (column, row) of pixels of a colour's direction, and how many there are."""
    shades = picture.reshape(-1, 3).astype(float)
    direction = np.array(colour) / np.linalg.norm(colour)
    lengths = np.linalg.norm(shades, axis=1)
    alike = (shades @ direction > 0.995 * lengths) & (lengths > 60)
    rows, columns = np.divmod(np.flatnonzero(alike), picture.shape[1])
    middle = (float(columns.mean()), float(rows.mean())) if len(rows) else (0.0, 0.0)
    return (*middle, len(rows))


@pytest.fixture(scope="module")
def four_sides(tmp_path_factory: pytest.TempPathFactory) -> SavedDetection:
    """Blue L5 to the right, vermillion L3 in front, yellow L1 above, all of one size."""
    shapes = {
        "L5": ball((38.0, -6.0, -68.0), 10.0),
        "L3": ball((8.0, 24.0, -68.0), 10.0),
        "L1": ball((8.0, -6.0, -20.0), 10.0),
    }
    return saved_shapes(tmp_path_factory.mktemp("sides"), shapes)


@pytest.mark.parametrize(
    ("azimuth", "right_is", "front_is"),
    [
        (0, "left", "middle"),
        (90, "middle", "left"),
        (180, "right", "middle"),
        (270, "middle", "right"),
    ],
)
def test_sides_lie_where_the_viewer_sees_them(
    four_sides: SavedDetection, azimuth: float, right_is: str, front_is: str
) -> None:
    """From the front the patient's right is on the left; from the left the front is on the left."""
    picture = spine_picture(four_sides, SpineView(azimuth_deg=azimuth, width=400, height=400))
    above, height_above, _ = where(picture, LABEL_COLOURS[CODES["L1"]])
    for name, side in (("L5", right_is), ("L3", front_is)):
        column, row, count = where(picture, LABEL_COLOURS[CODES[name]])
        if side == "middle" and count < 300:
            continue  # hidden behind another
        place = {"left": column < above - 20, "right": column > above + 20}
        assert place.get(side, abs(column - above) < 20), (name, column, above)
        assert row > height_above + 50


@pytest.mark.parametrize(("azimuth", "near", "far"), [(0, "L3", "L5"), (180, "L5", "L3")])
def test_what_is_nearer_hides_what_is_behind(
    tmp_path: Path, azimuth: float, near: str, far: str
) -> None:
    """Of two balls one behind the other only the nearer one is seen."""
    places = {0: {near: 20.0, far: -24.0}, 180: {near: -24.0, far: 20.0}}[int(azimuth)]
    shapes = {
        near: ball((8.0, places[near], -68.0), 12.0),
        far: ball((8.0, places[far], -68.0), 9.0),
    }
    saved = saved_shapes(tmp_path, shapes)
    picture = spine_picture(saved, SpineView(azimuth_deg=azimuth, width=300, height=300))
    assert where(picture, LABEL_COLOURS[CODES[near]])[2] > 1000
    assert where(picture, LABEL_COLOURS[CODES[far]])[2] < 300  # the line of its name


def test_a_whole_turn_changes_nothing(four_sides: SavedDetection) -> None:
    """Azimuths count round: -90 is 270."""
    assert spine_png(four_sides, -90, 200, 200) == spine_png(four_sides, 270, 200, 200)


def test_the_picture_has_the_size_that_was_asked_for(four_sides: SavedDetection) -> None:
    """Width before height, RGB without alpha."""
    assert decoded(spine_png(four_sides, 30, 300, 420)).shape == (420, 300, 3)
    assert decoded(spine_png(four_sides)).shape == (800, 600, 3)


def test_scale_does_not_change_while_turning(tmp_path: Path) -> None:
    """A ball is as large from each side."""
    saved = saved_shapes(tmp_path, {"L1": SPINE["L1"], "L3": SPINE["L3"]})
    sizes = [
        where(
            spine_picture(saved, SpineView(azimuth_deg=azimuth, width=300, height=300)),
            LABEL_COLOURS[CODES["L1"]],
        )[2]
        for azimuth in (0, 35, 90, 160)
    ]
    assert max(sizes) < 1.1 * min(sizes)


def test_without_vertebrae_there_is_a_picture_that_says_so(tmp_path: Path) -> None:
    """An empty detection gives black with a few light letters, on any ground."""
    saved = saved_shapes(tmp_path, {})
    picture = decoded(spine_png(saved, 0, 300, 300))
    assert 50 < (picture > 150).sum() < 9000
    white = spine_picture(saved, SpineView(width=300, height=300, ground="white"))
    assert np.median(white) == 255


def test_the_smallest_and_largest_pictures_can_be_drawn(four_sides: SavedDetection) -> None:
    """64 pixels have little room, and still nothing breaks."""
    assert decoded(spine_png(four_sides, 10, 64, 64)).shape == (64, 64, 3)
    assert decoded(spine_png(four_sides, 10, 2000, 64)).shape == (64, 2000, 3)


@pytest.mark.parametrize("azimuth", [float("nan"), float("inf"), 3601.0, -1e9])
def test_senseless_azimuths_are_refused(four_sides: SavedDetection, azimuth: float) -> None:
    """The message names the value."""
    with pytest.raises(RequestError, match="azimuth has to be a number of degrees within"):
        spine_png(four_sides, azimuth)


@pytest.mark.parametrize("size", [(63, 100), (100, 2001), (0, 0), (-5, 100), (99.5, 100)])
def test_senseless_sizes_are_refused(four_sides: SavedDetection, size: tuple) -> None:
    """Sides are whole numbers from 64 to 2000."""
    with pytest.raises(RequestError, match="whole number of pixels from 64 to 2000"):
        spine_png(four_sides, 0, *size)


def test_another_ground_is_refused() -> None:
    """Only black and white are grounds."""
    with pytest.raises(RequestError, match="black or white, but got 'red'"):
        SpineView(ground="red")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "rows", [[5.0, 6.0, 7.0, 90.0], [50.0] * 6, [99.0, 99.5, 100.0], [0.0, 0.0, 50.0]]
)
def test_names_never_overlap(rows: list[float]) -> None:
    """Heights come out at least as far apart as asked, in order, and inside the picture."""
    placed = spread(rows, least=12.0, within=(0.0, 100.0))
    assert all(below - above >= 12.0 - 1e-9 for above, below in pairwise(placed))
    assert min(placed) >= 6.0 - 1e-9
    assert max(placed) <= 94.0 + 1e-9


def test_names_with_room_stay_where_they_are() -> None:
    """Nothing moves without need."""
    assert spread([10.0, 40.0, 80.0], least=12.0, within=(0.0, 100.0)) == [10.0, 40.0, 80.0]
