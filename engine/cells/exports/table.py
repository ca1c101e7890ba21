"""Cells as CSV, a line each, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from engine.cells.exports.marked import MarkedCell, MarkedPicture

__all__ = ["COLUMNS", "csv_table"]

COLUMNS: Final = (
    *("picture", "cell", "cell_type", "x", "y", "width", "height", "confidence", "origin"),
    *("author", "at", "comments", "area_px", "diameter_px", "area_um2", "diameter_um"),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_table(pictures: Sequence[MarkedPicture]) -> bytes:
    """Return UTF-8 with a byte order mark, which spreadsheets need, and a line of column names.

    Numbers have a point. A text that a spreadsheet would run as a formula gets an apostrophe.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for picture in pictures:
        for cell in picture.cells:
            writer.writerow(_row(picture, cell))
    return out.getvalue().encode("utf-8-sig")


def _row(picture: MarkedPicture, cell: MarkedCell) -> list[str]:
    found = picture.measures(cell)
    return [
        *(_text(picture.name), cell.id, _text(cell.label)),
        *(f"{value:.2f}" for value in (cell.x, cell.y, cell.width, cell.height)),
        _number(cell.confidence, 4),
        *(cell.origin, _text(cell.author), cell.at.isoformat() if cell.at else ""),
        _text(cell.comments),
        *(_number(found.area_px, 1), _number(found.diameter_px, 2)),
        *(_number(found.area_um2, 3), _number(found.diameter_um, 3)),
    ]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
