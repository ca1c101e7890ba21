"""The names of cells, in the order of the network's channels."""

from __future__ import annotations

from typing import Final

__all__ = ["CLASSES", "LYMPHOCYTE", "PLATELET", "RBC", "WBC"]

WBC: Final = "WBC-Other"
"""A white blood cell; its kind is not told."""
RBC: Final = "RBC"
PLATELET: Final = "Platelet"
LYMPHOCYTE: Final = "WBC-Lymphocyte"
"""Told by the rules of shape alone; the network does not know it."""
CLASSES: Final = (WBC, RBC, PLATELET)
