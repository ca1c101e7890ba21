"""The studio: Streamlit pages that ask the engine, show, and hand back."""

from __future__ import annotations

__all__: list[str] = []
