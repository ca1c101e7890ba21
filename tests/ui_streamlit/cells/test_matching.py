"""What somebody did on the canvas becomes the fewest changes of cells."""

from __future__ import annotations

from engine.catalogue.cell_marks import Edit
from ui_streamlit.studio.cells.matching import Known, edits_between

ONE = Known(id="1", box=(10, 10, 40, 40), label="RBC")
TWO = Known(id="2", box=(100, 10, 40, 40), label="RBC")


def box(known: Known, **changes: object) -> Known:
    """The same box as the canvas hands it back: without an id."""
    return Known(box=changes.get("box", known.box), label=changes.get("label", known.label))


def test_nothing_done_is_no_change() -> None:
    """Rounding on the way through the browser is no change, whatever the order."""
    back = [box(TWO, box=(100.3, 9.8, 40, 40)), box(ONE)]
    assert edits_between([ONE, TWO], back, scale=2) == ()


def test_a_drawn_box_is_added_in_pixels_of_the_picture() -> None:
    """Canvas pixels are divided by the scale; a click without a drag is none."""
    drawn = Known(box=(200, 100, 50, 60), label="Platelet")
    click = Known(box=(300, 300, 1, 2), label="RBC")
    assert edits_between([ONE], [box(ONE), drawn, click], scale=2) == (
        Edit(box=(100, 50, 25, 30), cell_type="Platelet"),
    )


def test_a_resized_and_a_moved_box_keep_their_cell() -> None:
    """One overlaps its old place, the other has its old size."""
    after = [box(ONE, box=(10, 10, 60, 40)), box(TWO, box=(300, 200, 40, 40))]
    assert edits_between([ONE, TWO], after, scale=1) == (
        Edit(id="1", box=(10, 10, 60, 40)),
        Edit(id="2", box=(300, 200, 40, 40)),
    )


def test_a_relabelled_box_changes_its_kind_alone() -> None:
    """The box stays to the digit."""
    assert edits_between([ONE], [box(ONE, label="WBC-Other")], scale=3) == (
        Edit(id="1", cell_type="WBC-Other"),
    )


def test_a_deleted_box_is_gone_and_a_tiny_cell_is_not() -> None:
    """A detector's cell of hardly any size on the canvas is not taken for a click."""
    tiny = Known(id="3", box=(200, 200, 2, 2), label="Platelet")
    assert edits_between([ONE, tiny], [box(tiny)], scale=1) == (Edit(id="1", gone=True),)
