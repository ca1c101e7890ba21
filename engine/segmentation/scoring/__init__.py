"""How well a mask agrees with the truth: pixels, objects, borders, and how sure that is.

Masks are ``(H, W) uint8`` indices of classes; 255 in the truth means that nobody has looked there,
and such pixels count nowhere. What cannot be measured is NaN, never a kind number.
"""

from __future__ import annotations

from engine.segmentation.scoring.distances import hausdorff_95
from engine.segmentation.scoring.intervals import PairedDifference, mean_interval, paired_bootstrap
from engine.segmentation.scoring.objects import ObjectScore, match_objects
from engine.segmentation.scoring.overlap import Overlap, confusion, mean_dice, overlaps
from engine.segmentation.scoring.reliability import ReliabilityTally

__all__ = [
    "ObjectScore",
    "Overlap",
    "PairedDifference",
    "ReliabilityTally",
    "confusion",
    "hausdorff_95",
    "match_objects",
    "mean_dice",
    "mean_interval",
    "overlaps",
    "paired_bootstrap",
]
