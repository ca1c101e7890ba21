"""How the models that ship are made: one command for each."""

from __future__ import annotations

__all__: list[str] = []
