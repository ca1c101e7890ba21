"""Datasets: pictures with labels, read from and written to the forms that people use."""

from __future__ import annotations

__all__: list[str] = []
