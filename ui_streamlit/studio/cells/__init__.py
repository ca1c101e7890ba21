"""The pieces of the cells page: pictures, boxes on the canvas, detector, review, counts, kinds."""

from __future__ import annotations

__all__: list[str] = []
