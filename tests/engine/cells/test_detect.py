"""One contract for both detectors, on drawn discs and drawn smears."""

from __future__ import annotations

import numpy as np
import pytest

from engine.cells import detect
from engine.cells.detecting import BACKENDS, limits_of, open_detector, parameters_of
from engine.cells.detectors import Backend
from engine.cells.names import CLASSES, LYMPHOCYTE
from engine.cells.recipe.smears import drawn_smear
from engine.errors import MissingBackendError, PictureError, RequestError
from tests.engine.cells.smears import MODEL, NO_MODEL, disc_smear, lymphocyte, red_cell

WITH_WHITE = 3  # this seed draws two white cells
EITHER = [
    pytest.param("network", marks=pytest.mark.skipif(not MODEL.is_dir(), reason=NO_MODEL)),
    "opencv",
]


@pytest.fixture(params=EITHER)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each detector in turn."""
    return request.param


def test_cells_lie_inside_the_picture_and_the_most_certain_come_first(backend: Backend) -> None:
    """Boxes have an area inside the picture, confidences fall, names are known ones."""
    picture = drawn_smear(np.random.default_rng(3), side_px=512).picture
    found = detect(picture, backend)
    assert (found.width, found.height) == (512, 512)
    assert found.detector
    for cell in found.cells:
        assert cell.label in (*CLASSES, LYMPHOCYTE)
        numbers = (cell.x, cell.y, cell.width, cell.height, cell.confidence)
        assert {type(value) for value in numbers} == {float}  # plain ones, which JSON takes
        assert 0 < cell.confidence <= 1
        assert cell.x >= 0
        assert cell.y >= 0
        assert cell.width > 0
        assert cell.height > 0
        assert cell.x + cell.width <= 512 + 1e-6
        assert cell.y + cell.height <= 512 + 1e-6
    confidences = [cell.confidence for cell in found.cells]
    assert confidences == sorted(confidences, reverse=True)


def test_a_white_cell_among_red_ones_is_found_where_it_is(backend: Backend) -> None:
    """The middle of a white cell drawn among others lies in a box of a white cell."""
    if backend == "opencv":
        red = [disc for x in (60, 330) for y in (60, 150, 240) for disc in red_cell(x, y)]
        picture, middles = disc_smear(*red, *lymphocyte(200, 150, 40)), [(200.0, 150.0)]
    else:  # flat discs are nothing that a network has seen: a drawn smear of the recipe
        drawn = drawn_smear(np.random.default_rng(WITH_WHITE), side_px=512)
        picture, boxes = drawn.picture, drawn.boxes[drawn.classes == 0]
        middles = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes.tolist()]
    white = [cell for cell in detect(picture, backend).cells if cell.label.startswith("WBC")]
    assert middles
    assert any(
        cell.x < x < cell.x + cell.width and cell.y < y < cell.y + cell.height
        for cell in white
        for x, y in middles
    )


def test_an_empty_slide_has_no_cells(backend: Backend) -> None:
    """An even grey has none."""
    assert detect(np.full((160, 200, 3), 228, np.uint8), backend).cells == ()


def test_the_same_picture_gives_the_same_cells(backend: Backend) -> None:
    """Nothing is left to chance."""
    picture = drawn_smear(np.random.default_rng(5), side_px=320).picture
    assert detect(picture, backend) == detect(picture.copy(), backend)


@pytest.mark.parametrize("shape", [(40, 40), (40, 40, 4), (0, 40, 3)])
def test_other_arrays_are_refused(backend: Backend, shape: tuple[int, ...]) -> None:
    """Grey, RGBA and empty arrays are no pictures."""
    with pytest.raises(PictureError, match="Cells"):
        detect(np.zeros(shape, np.uint8), backend)


def test_parameters_have_defaults_inside_their_limits() -> None:
    """Each parameter of each detector has a default and limits around it."""
    for backend in BACKENDS:
        limits, values = limits_of(backend), parameters_of(backend)
        assert set(limits) == set(values)
        for name, (low, high) in limits.items():
            assert low <= values[name] <= high


@pytest.mark.parametrize("backend", BACKENDS)
def test_unknown_and_impossible_parameters_are_named(backend: Backend) -> None:
    """The message has the name, and what may be set."""
    with pytest.raises(RequestError, match="'colour' is no parameter"):
        parameters_of(backend, {"colour": 1.0})
    for name, (_, high) in limits_of(backend).items():
        with pytest.raises(RequestError, match=f"'{name}' must be"):
            parameters_of(backend, {name: high + 1})
        with pytest.raises(RequestError, match=f"'{name}' must be"):
            parameters_of(backend, {name: float("nan")})


def test_an_unknown_detector_is_refused() -> None:
    """The message names both."""
    with pytest.raises(RequestError, match="network, opencv"):
        detect(np.zeros((32, 32, 3), np.uint8), "yolo")  # type: ignore[arg-type]


def test_parameters_change_what_is_found() -> None:
    """With red cells' size as the smallest nucleus, a small lymphocyte becomes a platelet."""
    picture = disc_smear(*lymphocyte(200, 150, 30))
    assert detect(picture, "opencv").counts() == {LYMPHOCYTE: 1}
    assert detect(picture, "opencv", {"smallest_px": 70}).counts() == {"Platelet": 1}


@pytest.mark.skipif(not MODEL.is_dir(), reason=NO_MODEL)
def test_the_least_confidence_of_the_network_is_kept_for_each_question() -> None:
    """A detector with another limit leaves the first one as it is."""
    picture = drawn_smear(np.random.default_rng(3), side_px=512).picture
    free = open_detector("network")
    strict = open_detector("network", {"least_confidence": 0.8})
    some, all_of_them = strict.detect(picture).cells, free.detect(picture).cells
    assert all(cell.confidence >= 0.8 for cell in some)
    assert some == tuple(cell for cell in all_of_them if cell.confidence >= 0.8)


def test_a_missing_network_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """The sentence says what to do."""
    monkeypatch.setattr("engine.shipped._ASSETS", tmp_path)
    with pytest.raises(MissingBackendError, match="install Lightbox again"):
        detect(np.zeros((32, 32, 3), np.uint8), "network")
