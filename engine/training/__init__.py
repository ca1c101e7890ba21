"""Training: from pictures with masks to a model folder."""

from __future__ import annotations

__all__: list[str] = []
