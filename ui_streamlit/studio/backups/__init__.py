"""The pieces of the backups page: words, the list, one backup, and what may be done."""

from __future__ import annotations

__all__: list[str] = []
