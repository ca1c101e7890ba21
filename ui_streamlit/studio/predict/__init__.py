"""The page for asking models about pictures."""

from __future__ import annotations

__all__: list[str] = []
