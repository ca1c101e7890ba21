"""White blood cells by rules: stain, threshold, watershed, shape. Nothing is trained."""

from __future__ import annotations

__all__: list[str] = []
