"""Reading what the cell network answers."""

from __future__ import annotations

__all__: list[str] = []
