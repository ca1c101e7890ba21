"""Segmentation: a class for every pixel – what a model answers, what it is worth, how it is kept."""

from __future__ import annotations

__all__: list[str] = []
