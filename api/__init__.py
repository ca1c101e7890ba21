"""What HTTP has in common below both front ends: the door, its pages, problems, plain routes."""

from __future__ import annotations

__all__: list[str] = []
