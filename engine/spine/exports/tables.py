"""The result as a table (RFC 4180) and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["CSV_COLUMNS", "plain_cell", "result_json", "table_csv"]

CSV_COLUMNS: tuple[str, ...] = (
    "label",
    "code",
    *(f"center_{axis}_mm" for axis in "xyz"),
    *(f"center_{axis}_voxel" for axis in "xyz"),
    *(f"bounds_{end}_{axis}_mm" for end in ("min", "max") for axis in "xyz"),
    *(f"bounds_{end}_{axis}_voxel" for end in ("min", "max") for axis in "xyz"),
    "volume_ml",
    "height_mm",
    "mean_hu",
    "confidence",
    "truncated",
    "flags",
    "names_verdict",
)
"""Columns with their units. mm are RAS+ patient millimetres, voxels indices of the upload;
``names_verdict`` is the audit's, the same in each row, so that no row travels without it."""


def table_csv(saved: SavedDetection) -> bytes:
    """Return one row for each vertebra, from the head down, as CSV with a header line."""
    document = saved.document()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for vertebra in document["vertebrae"]:
        row = _row(vertebra) | {"names_verdict": document["audit"]["verdict"]}
        writer.writerow({name: plain_cell(value) for name, value in row.items()})
    return text.getvalue().encode("utf-8")


def result_json(saved: SavedDetection) -> bytes:
    """Return the result document, indented for people."""
    text = json.dumps(saved.document(), ensure_ascii=False, allow_nan=False, indent=2)
    return f"{text}\n".encode()


def plain_cell(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula; numbers stay numbers.

    >>> plain_cell("=1+1"), plain_cell(-3.5), plain_cell(None), plain_cell(True)
    ("'=1+1", -3.5, '', 'true')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value[:1] in tuple("=+-@\t\r\n|%"):
        return f"'{value}"
    return value


def _row(vertebra: Mapping[str, Any]) -> dict[str, Any]:
    bounds = {
        f"bounds_{end}_{axis}_{unit}": vertebra[key][end][axis]
        for unit, key in (("mm", "bounds_mm"), ("voxel", "bounds"))
        for end in ("min", "max")
        for axis in "xyz"
    }
    centres = {
        f"center_{axis}_{unit}": vertebra[key][axis]
        for unit, key in (("mm", "center_mm"), ("voxel", "center"))
        for axis in "xyz"
    }
    same = ("label", "code", "volume_ml", "height_mm", "mean_hu", "confidence", "truncated")
    return {
        **{name: vertebra[name] for name in same},
        **centres,
        **bounds,
        "flags": " ".join(vertebra["flags"]),
    }
