"""CSV and JSON: read back by the standard library, numbers as they were, no formulas."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from engine.spine.exports.tables import CSV_COLUMNS, plain_cell, result_json, table_csv
from tests.engine.spine.shaped_spines import saved_shapes


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def test_each_vertebra_is_a_row_with_its_numbers(tmp_path: Path) -> None:
    """Labels, centres, bounds, sizes and verdict are those of the result document."""
    saved = saved_shapes(tmp_path)
    document = saved.document()
    rows = rows_of(table_csv(saved))
    assert [row["label"] for row in rows] == ["T12", "L1", "L2", "L3", "L4"]
    for row, vertebra in zip(rows, document["vertebrae"], strict=True):
        assert float(row["center_z_mm"]) == vertebra["center_mm"]["z"]
        assert float(row["center_x_voxel"]) == vertebra["center"]["x"]
        assert int(row["bounds_max_y_voxel"]) == vertebra["bounds"]["max"]["y"]
        assert float(row["bounds_min_x_mm"]) == vertebra["bounds_mm"]["min"]["x"]
        assert float(row["volume_ml"]) == vertebra["volume_ml"]
        assert int(row["code"]) == vertebra["code"]
        assert row["truncated"] == "false"
        assert row["names_verdict"] == document["audit"]["verdict"]


def test_the_file_is_rfc_4180(tmp_path: Path) -> None:
    """Lines end in CRLF, the first names the columns, each has as many cells."""
    data = table_csv(saved_shapes(tmp_path)).decode("utf-8")
    lines = data.split("\r\n")
    assert lines[-1] == ""
    assert lines[0] == ",".join(CSV_COLUMNS)
    assert "\n" not in data.replace("\r\n", "")
    assert {len(line) for line in csv.reader(lines[:-1])} == {len(CSV_COLUMNS)}


def test_columns_name_their_units() -> None:
    """What has a unit ends in it."""
    plain = {"label", "code", "confidence", "truncated", "flags", "names_verdict"}
    units = ("_mm", "_voxel", "_ml", "_hu")
    assert all(name.endswith(units) for name in CSV_COLUMNS if name not in plain)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "|calc", "%0A"]
)
def test_no_cell_is_a_formula(text: str) -> None:
    """Text that a spreadsheet might run is led by an apostrophe."""
    assert plain_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-12.5, 0, 3, "L1", "", "two_parts"])
def test_other_cells_stay_as_they_are(value: object) -> None:
    """Negative numbers are numbers, and names are names."""
    assert plain_cell(value) == value


def test_an_empty_detection_is_a_header_line(tmp_path: Path) -> None:
    """No vertebra, no row."""
    assert rows_of(table_csv(saved_shapes(tmp_path, {}))) == []


def test_the_json_is_the_document(tmp_path: Path) -> None:
    """Nothing is lost or added, and people can read it."""
    saved = saved_shapes(tmp_path, notes=("Größe × 2 – geprüft",))
    data = result_json(saved)
    assert json.loads(data) == saved.document()
    assert "Größe × 2 – geprüft".encode() in data
    assert data.startswith(b'{\n  "success": true')
