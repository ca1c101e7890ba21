"""How the cell network is made: ``python -m engine.cells.recipe --data DIR --out DIR``."""

from __future__ import annotations

__all__: list[str] = []
