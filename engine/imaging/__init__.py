"""Pictures: decoding, boxes, overlays and palettes. Import the module you need."""

from __future__ import annotations

__all__: list[str] = []
