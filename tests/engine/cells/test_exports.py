"""What other programs read from the exports is what was marked."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

from engine.cells.exports import (
    MarkedCell,
    MarkedPicture,
    coco_document,
    csv_table,
    geojson_document,
    report_html,
)
from engine.cells.exports.table import COLUMNS

CELLS = (
    MarkedCell(id="a", label="RBC", x=10, y=20, width=80, height=80, confidence=0.75),
    MarkedCell(
        id="b",
        label="WBC-Other",
        x=100.5,
        y=0,
        width=40,
        height=50.25,
        origin="human",
        comments='=HYPERLINK("x"), <b>odd</b>',
    ),
)
PICTURE = MarkedPicture(
    id="p",
    name="smear <1>.png",
    width=640,
    height=480,
    cells=CELLS,
    pixel_size_um=0.1,
    colours=(("RBC", "#d55e00"),),
)


def test_the_table_has_a_line_for_each_cell() -> None:
    """Python's csv reads boxes, sizes and kinds back; a formula is made harmless."""
    rows = list(csv.DictReader(io.StringIO(csv_table([PICTURE]).decode("utf-8-sig"))))
    assert tuple(rows[0]) == COLUMNS
    assert [row["cell_type"] for row in rows] == ["RBC", "WBC-Other"]
    assert [float(rows[1][name]) for name in ("x", "y", "width", "height")] == [
        *(100.5, 0.0, 40.0, 50.25)
    ]
    assert (rows[0]["confidence"], rows[1]["confidence"]) == ("0.7500", "")
    assert rows[0]["diameter_um"] == "8.000"
    assert rows[1]["comments"] == "'" + CELLS[1].comments


def test_coco_has_boxes_and_numbered_kinds() -> None:
    """Boxes are x, y, width, height; every number points at something; kinds keep their order."""
    read = json.loads(coco_document([PICTURE, PICTURE], kinds=("Platelet", "RBC")))
    names = {one["id"]: one["name"] for one in read["categories"]}
    assert list(names.values()) == ["Platelet", "RBC", "WBC-Other"]
    assert [one["id"] for one in read["annotations"]] == [1, 2, 3, 4]
    assert {one["image_id"] for one in read["annotations"]} == {one["id"] for one in read["images"]}
    second = read["annotations"][1]
    assert names[second["category_id"]] == "WBC-Other"
    assert second["bbox"] == [100.5, 0, 40, 50.25]
    assert second["area"] == 2010.0


def test_geojson_has_closed_rectangles() -> None:
    """Each ring is closed and has the box's corners, its kind and its colour."""
    features = json.loads(geojson_document(PICTURE))["features"]
    (ring,) = features[0]["geometry"]["coordinates"]
    assert ring == [[10, 20], [90, 20], [90, 100], [10, 100], [10, 20]]
    assert features[0]["properties"]["classification"] == {"name": "RBC", "color": [213, 94, 0]}
    assert features[0]["properties"]["measurements"]["Diameter µm"] == 8.0


def test_the_report_has_counts_and_no_markup_of_others() -> None:
    """Names and comments are texts there; intervals and sizes are told."""
    page = report_html(
        PICTURE,
        picture_uri="data:image/png;base64,AAAA",
        made_at=datetime(2026, 11, 20, tzinfo=UTC),
        made_by="Dr <i>X</i>",
    ).decode()
    assert "smear &lt;1&gt;.png" in page
    assert "Dr &lt;i&gt;X&lt;/i&gt;" in page
    assert "50.0 %" in page
    assert "8.00 ± 0.00 µm" in page
    assert "Count 379 more cells" in page


def test_no_cells_give_empty_documents() -> None:
    """A picture without cells is no error anywhere."""
    bare = MarkedPicture(id="p", name="p", width=9, height=9, cells=())
    assert len(csv_table([bare]).splitlines()) == 1
    assert json.loads(coco_document([bare]))["annotations"] == []
    assert json.loads(geojson_document(bare))["features"] == []
    made = datetime(2026, 11, 20, tzinfo=UTC)
    assert b"0 cells" in report_html(bare, picture_uri="", made_at=made, made_by="A")
