"""QuPath's GeoJSON: a document of outlines beside the picture of the same name.

https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html; coordinates are
pixels of the full picture, the class is ``properties.classification.name``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.datasets.entries import Entry, FileOutcome, Polygon, Shapes
from engine.datasets.opening import Opened
from engine.datasets.sources.finding import Finder, rest_of
from engine.datasets.sources.json_files import read_json
from engine.datasets.sources.naming import is_picture, split_of, stem_of

__all__ = ["NAME", "TITLE", "entries", "recognise"]

NAME: Final = "qupath"
TITLE: Final = "QuPath (GeoJSON beside each picture)"


def recognise(opened: Opened) -> bool:
    """Tell whether a GeoJSON document bears a picture's name."""
    return bool(_documents(opened))


def entries(opened: Opened) -> Iterator[Entry | FileOutcome]:
    """Yield every picture with the outlines of its document."""
    documents, used = _documents(opened), set[str]()
    for name in opened.names:
        if not is_picture(name):
            continue
        used.add(name)
        document = documents.get(name)
        labels: Shapes | None = None
        notes: tuple[str, ...] = ()
        if document is not None:
            used.add(document)
            labels, notes = _shapes(read_json(opened, document))
        yield Entry(
            name=stem_of(name),
            image=opened.picture(name),
            labels=labels,
            split=split_of(name),
            notes=notes,
        )
    yield from rest_of(opened, used, why="")


def _documents(opened: Opened) -> dict[str, str]:
    """Return the document of each picture that has one."""
    finder = Finder(opened.names)
    found: dict[str, str] = {}
    for name in opened.names:
        last = PurePosixPath(name).name
        if not last.lower().endswith((".geojson", ".json")):
            continue
        stem = last.rpartition(".")[0]
        picture = finder.by_stem(stem, near=name) or finder.by_stem(stem_of(stem), near=name)
        if picture is not None and _features(read_json(opened, name)) is not None:
            found[picture] = name
    return found


def _features(document: Any) -> list[Any] | None:  # noqa: ANN401 – JSON
    """Return the features of a collection, a list or a single one; ``None`` for other JSON."""
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features = document.get("features")
        return features if isinstance(features, list) else []
    if isinstance(document, dict) and document.get("type") == "Feature":
        return [document]
    if isinstance(document, list) and all(
        isinstance(item, dict) and item.get("type") == "Feature" for item in document
    ):
        return document
    return None


def _shapes(document: Any) -> tuple[Shapes, tuple[str, ...]]:  # noqa: ANN401 – JSON
    polygons: list[Polygon] = []
    other = bad = 0
    for feature in _features(document) or []:
        found = feature.get("geometry") if isinstance(feature, dict) else None
        geometry: dict[str, Any] = found if isinstance(found, dict) else {}
        kind = geometry.get("type")
        if kind not in ("Polygon", "MultiPolygon"):
            other += 1
            continue
        coordinates = geometry.get("coordinates") or []
        for rings in [coordinates] if kind == "Polygon" else coordinates:
            try:
                outer, *holes = (_ring(ring) for ring in rings)
            except (TypeError, ValueError):
                bad += 1
                continue
            polygons.append(Polygon(class_name=_class(feature), exterior=outer, holes=tuple(holes)))
    notes = [f"{other} features are points or lines and were left out."] if other else []
    if bad:
        notes.append(f"{bad} outlines are damaged and were left out.")
    return Shapes(shapes=tuple(polygons)), tuple(notes)


def _class(feature: dict[str, Any]) -> str:
    properties = feature.get("properties") or {}
    classification = properties.get("classification") if isinstance(properties, dict) else None
    name = classification.get("name") if isinstance(classification, dict) else classification
    return str(name or "object")[:80]


def _ring(numbers: Any) -> NDArray[np.float64]:  # noqa: ANN401 – JSON
    points = np.asarray(numbers, np.float64)
    if points.ndim != 2 or points.shape[0] < 3 or points.shape[1] < 2:
        raise ValueError("an outline needs three points")
    if not np.isfinite(points).all():
        raise ValueError("an outline has numbers only")
    return points[:, :2]
