"""A picture with a box for each cell, in the colour of its kind."""

from __future__ import annotations

import numpy as np

from engine.catalogue.sample_views import NAMED, boxed, colours_of
from engine.store.records import CellAnnotation, CellCoordinates, CellType

GREY = np.full((300, 400, 3), 128, np.uint8)


def a_cell(kind: str, x: float, y: float = 100, side: float = 20) -> CellAnnotation:
    box = CellCoordinates(x=x, y=y, width=side, height=side)
    return CellAnnotation(user_id="u", cell_coordinates=box, cell_type=kind)


def test_a_kind_keeps_its_own_colour_and_others_get_one() -> None:
    """The colour of the list of kinds counts; each name has one, the same one each time."""
    kinds = [CellType(name="RBC", colour="#0a0b0c")]
    found = colours_of(kinds, ["RBC", "Mast cell", "RBC"])
    assert found["RBC"] == (10, 11, 12)
    assert set(found) == {"RBC", "Mast cell"}
    assert found == colours_of(kinds, ["Mast cell", "RBC"])


def test_boxes_lie_where_the_cells_are_also_when_made_smaller() -> None:
    """A box at (100, 100) of 20 px in a picture halved lies at (50, 50) of 10 px."""
    shown = boxed(GREY, [a_cell("A", 100)], {"A": (255, 0, 0)}, longest_px=200)
    assert shown.shape == (150, 200, 3)
    rows, columns = np.nonzero((shown == (255, 0, 0)).all(axis=2))
    assert (columns.min(), rows.max()) == (50, 59)
    assert (GREY == 128).all()


def test_the_commonest_of_many_has_no_names_written() -> None:
    """One rare cell among many keeps its name; nothing is written at the others."""
    many = [a_cell("A", 25 * (n % 15), 60 + 40 * (n // 15)) for n in range(NAMED + 8)]
    colours = {"A": (255, 0, 0), "B": (0, 0, 255)}
    alone = boxed(GREY, many, colours, longest_px=400)
    plate = (alone == (255, 0, 0)).all(axis=2).sum()
    assert plate < len(many) * 4 * 20 * 2  # four thin sides each, no plate behind a name
    with_rare = boxed(GREY, [*many, a_cell("B", 370, 200)], colours, longest_px=400)
    assert (with_rare == (0, 0, 255)).all(axis=2).sum() > 4 * 20 * 2


def test_a_picture_without_cells_stays_as_it_is() -> None:
    """Nothing is drawn."""
    assert (boxed(GREY, [], {}, longest_px=1000) == GREY).all()
