"""Measures as tables (CSV, UTF-8, one header line, a point in numbers)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from engine.segmentation.measuring import Measures

__all__ = ["classes_csv", "objects_csv"]


def classes_csv(measures: Measures, *, picture: str = "") -> bytes:
    """Return a row for each class; empty where there is no pixel size, or nothing to count."""
    header = [
        "picture",
        "class_index",
        "class",
        "area_px",
        "share",
        "area_mm2",
        "objects",
        "median_area_px",
    ]
    rows = (
        [
            picture,
            row.index,
            _text(row.name),
            row.area_px,
            f"{row.share:.6f}",
            _number(row.area_mm2),
            "" if row.objects is None else row.objects,
            _number(row.median_area_px),
        ]
        for row in measures.classes
    )
    return _written(header, rows)


def objects_csv(measures: Measures, *, picture: str = "") -> bytes:
    """Return a row for each object; µm and µm² are empty without a pixel size."""
    header = [
        "picture",
        "object",
        "class_index",
        "class",
        "area_px",
        "x",
        "y",
        "left",
        "top",
        "width",
        "height",
        "diameter_px",
        "area_um2",
        "diameter_um",
    ]
    rows = (
        [
            picture,
            number,
            one.class_index,
            _text(one.class_name),
            one.area_px,
            f"{one.x:.2f}",
            f"{one.y:.2f}",
            one.left,
            one.top,
            one.width,
            one.height,
            _number(one.diameter_px),
            _number(one.area_um2),
            _number(one.diameter_um),
        ]
        for number, one in enumerate(measures.objects, 1)
    )
    return _written(header, rows)


def _written(header: list[str], rows: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for picture, *rest in rows:
        writer.writerow([_text(str(picture)), *rest])
    return out.getvalue().encode()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _text(name: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@", "\t", "\r") else name
