"""Marked cells as files for other programs: CSV, COCO, GeoJSON, and a report to read."""

from __future__ import annotations

from engine.cells.exports.coco import coco_document
from engine.cells.exports.geojson import geojson_document
from engine.cells.exports.marked import MarkedCell, MarkedPicture
from engine.cells.exports.report import report_html
from engine.cells.exports.table import csv_table

__all__ = [
    "MarkedCell",
    "MarkedPicture",
    "coco_document",
    "csv_table",
    "geojson_document",
    "report_html",
]
