"""What was found as files that other programs read; each one read again is the same mask."""

from __future__ import annotations

from engine.segmentation.exports.documents import coco, geojson
from engine.segmentation.exports.rasters import (
    mask_png,
    nifti,
    uncertainty_png,
    write_probabilities,
)
from engine.segmentation.exports.tables import classes_csv, objects_csv

__all__ = [
    "classes_csv",
    "coco",
    "geojson",
    "mask_png",
    "nifti",
    "objects_csv",
    "uncertainty_png",
    "write_probabilities",
]
