"""The pieces of the users page: the list, one person, the form for a new one, and what is asked."""

from __future__ import annotations

__all__: list[str] = []
