"""Objects as GeoJSON (as QuPath reads it) and COCO; coordinates are pixels of the picture."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.segmentation.drawing import class_colours
from engine.segmentation.measuring import objects_of
from engine.segmentation.outlines import polygons
from engine.segmentation.results import Segmentation

__all__ = ["coco", "geojson"]


def geojson(found: Segmentation) -> bytes:
    """Return a feature for each object, whose outline runs along the edges of its pixels.

    A Polygon with its holes; a MultiPolygon where parts touch by a corner only.
    """
    colours = class_colours(found.classes)
    features = []
    for index, name in enumerate(found.classes):
        if not index:
            continue
        for left, top, pixels in objects_of(found.mask, index):
            parts = polygons(pixels, left=left, top=top)
            is_one = len(parts) == 1
            features.append(
                {
                    "type": "Feature",
                    "geometry": {
                        "type": "Polygon" if is_one else "MultiPolygon",
                        "coordinates": parts[0] if is_one else parts,
                    },
                    "properties": {
                        "objectType": "annotation",
                        "classification": {"name": name, "color": list(colours[index])},
                        "measurements": _measurements(found, pixels),
                    },
                }
            )
    return _json({"type": "FeatureCollection", "features": features})


def coco(found: Segmentation, *, file_name: str) -> bytes:
    """Return one image and an annotation for each object, with exact run lengths.

    ``counts`` are COCO's uncompressed ones: runs outside and inside in turn, columns first.
    """
    annotations: list[dict[str, Any]] = []
    for index in range(1, len(found.classes)):
        for left, top, pixels in objects_of(found.mask, index):
            counts = _run_lengths(pixels, left, top, found.mask.shape)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": 1,
                    "category_id": index,
                    "iscrowd": 0,
                    "bbox": [left, top, pixels.shape[1], pixels.shape[0]],
                    "area": int(np.count_nonzero(pixels)),
                    "segmentation": {"size": [found.height, found.width], "counts": counts},
                }
            )
    image = {"id": 1, "file_name": file_name, "width": found.width, "height": found.height}
    return _json(
        {
            "info": {"description": f"Predicted by {found.model} with Lightbox"},
            "images": [image],
            "annotations": annotations,
            "categories": [
                {"id": index, "name": name, "supercategory": ""}
                for index, name in enumerate(found.classes)
                if index
            ],
        }
    )


def _measurements(found: Segmentation, pixels: NDArray[np.bool_]) -> dict[str, float]:
    area = int(np.count_nonzero(pixels))
    if found.pixel_size_um is None:
        return {"Area px": area}
    return {"Area px": area, "Area µm^2": area * found.pixel_size_um**2}


def _run_lengths(
    pixels: NDArray[np.bool_], left: int, top: int, shape: tuple[int, ...]
) -> list[int]:
    height, width = shape
    rows, columns = pixels.shape
    part = np.zeros((columns, height), np.int8)
    part[:, top : top + rows] = pixels.T
    flat = np.concatenate(([0], part.ravel(), [0]))
    turns = np.flatnonzero(np.diff(flat)) + left * height
    lengths = np.diff(np.concatenate(([0], turns, [height * width]))).tolist()
    return [int(length) for length in (lengths if lengths[-1] else lengths[:-1])]


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
