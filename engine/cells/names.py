"""The names of cells, in the order of the network's channels."""

from __future__ import annotations

from typing import Final

__all__ = ["CLASSES", "PLATELET", "RBC", "WBC"]

WBC: Final = "WBC-Other"
"""A white blood cell; its kind is not told."""
RBC: Final = "RBC"
PLATELET: Final = "Platelet"
CLASSES: Final = (WBC, RBC, PLATELET)
