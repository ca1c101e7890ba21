"""Parts of the page Models."""

from __future__ import annotations

__all__: list[str] = []
