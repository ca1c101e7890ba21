"""Cells as JSON, as the command line and the routes answer them."""

from __future__ import annotations

from typing import Any

from engine.cells.results import Cell, CellsFound

__all__ = ["cell_json", "found_json"]


def cell_json(cell: Cell) -> dict[str, Any]:
    """Return one cell: name, box in pixels to a hundredth, confidence in 0..1."""
    return {
        "label": cell.label,
        "x": round(cell.x, 2),
        "y": round(cell.y, 2),
        "width": round(cell.width, 2),
        "height": round(cell.height, 2),
        "confidence": round(cell.confidence, 4),
    }


def found_json(found: CellsFound) -> dict[str, Any]:
    """Return all cells of a picture, their numbers by name, and who looked how."""
    return {
        "cells": [cell_json(cell) for cell in found.cells],
        "counts": found.counts(),
        "width": found.width,
        "height": found.height,
        "detector": found.detector,
        "scale": round(found.scale, 4),
        "notes": list(found.notes),
    }
