"""The page where masks are drawn: choosing a picture, the board, tools, revisions."""

from __future__ import annotations

__all__: list[str] = []
