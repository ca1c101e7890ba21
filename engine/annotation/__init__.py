"""Masks drawn by hand: strokes as vectors, their exact pixels, and the journal that keeps them.

Arrays and paths in, frozen results out. Nothing here knows a page, a record or a person's rights.
"""

from __future__ import annotations

__all__: list[str] = []
