"""The pieces of the datasets page: what is there, its pictures, checks, versions, bringing in."""

from __future__ import annotations

__all__: list[str] = []
