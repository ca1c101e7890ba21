"""QuPath's GeoJSON: a file of annotations for every picture, in pixels of the picture."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.datasets.entries import Entry
from engine.datasets.forms.archive import new_archive
from engine.datasets.forms.content import Drawn, drawn, mask_values
from engine.datasets.forms.outlines import outline
from engine.imaging.palettes import colour_of

__all__ = ["NAME", "SHOWS", "TITLE", "write"]

NAME: Final = "geojson"
TITLE: Final = "QuPath GeoJSON: outlines for every picture"
SHOWS: Final = "objects"


def write(entries: Iterable[Entry], path: Path, *, classes: tuple[str, ...]) -> None:
    """Write pictures as they are, and an outline with its holes for every region or box."""
    with new_archive(path, classes) as archive:
        for one in entries:
            entry = archive.take(one)
            archive.add_picture("images", entry)
            if entry.labels is None:
                continue
            found = drawn(entry, mask_values(entry), classes)
            features = [_feature(object_, classes) for object_ in found]
            document = {"type": "FeatureCollection", "features": features}
            data = json.dumps(document, ensure_ascii=False).encode()
            archive.add(f"annotations/{entry.name}.geojson", data)


def _feature(found: Drawn, classes: tuple[str, ...]) -> dict[str, Any]:
    number = classes.index(found.class_name) if found.class_name in classes else len(classes)
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": _coordinates(found)},
        "properties": {
            "objectType": "annotation",
            "classification": {
                "name": found.class_name,
                "color": list(colour_of(found.class_name, index=number)),
            },
        },
    }


def _coordinates(found: Drawn) -> list[list[list[float]]]:
    if found.region is None:
        x, y, width, height = found.box
        ring = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
        return [_closed(ring)]
    outer, holes = outline(found.region)
    return [_closed(ring) for ring in (outer, *holes)]


def _closed(ring: NDArray[np.float64]) -> list[list[float]]:
    points = ring.tolist()
    return [*points, points[0]]
