"""Cells as GeoJSON as QuPath reads it: rectangles in pixels, y downwards, with classifications.

Form: https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html
"""

from __future__ import annotations

import json
from typing import Any

from engine.cells.exports.marked import MarkedCell, MarkedPicture

__all__ = ["geojson_document"]


def geojson_document(picture: MarkedPicture) -> bytes:
    """Return the cells of one picture as a feature collection."""
    colours = dict(picture.colours)
    features = [_feature(cell, picture, colours.get(cell.label, "")) for cell in picture.cells]
    document = {"type": "FeatureCollection", "features": features}
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _feature(cell: MarkedCell, picture: MarkedPicture, colour: str) -> dict[str, Any]:
    left, top = round(cell.x, 2), round(cell.y, 2)
    right, bottom = round(cell.x + cell.width, 2), round(cell.y + cell.height, 2)
    corners = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    found = picture.measures(cell)
    measurements: dict[str, float] = {"Area px^2": round(found.area_px, 1)}
    if found.area_um2 is not None and found.diameter_um is not None:
        measurements["Area µm^2"] = round(found.area_um2, 3)
        measurements["Diameter µm"] = round(found.diameter_um, 3)
    if cell.confidence is not None:
        measurements["Confidence"] = round(cell.confidence, 4)
    kind: dict[str, Any] = {"name": cell.label}
    if colour:
        kind["color"] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    properties = {
        "objectType": "annotation",
        "name": cell.comments,
        "classification": kind,
        "measurements": measurements,
        "origin": cell.origin,
    }
    return {
        "type": "Feature",
        "id": cell.id,
        "geometry": {"type": "Polygon", "coordinates": [corners]},
        "properties": properties,
    }
