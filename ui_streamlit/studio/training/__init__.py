"""Parts of the page Train."""

from __future__ import annotations

__all__: list[str] = []
