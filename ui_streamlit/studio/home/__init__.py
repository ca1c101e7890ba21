"""The pieces of the first page: what waits for somebody, first steps, what is here."""

from __future__ import annotations

__all__: list[str] = []
