"""The vertebra finder as a Gradio application and as plain routes."""

from __future__ import annotations

from ui_gradio.spine.application import build_app, mount

__all__ = ["build_app", "mount"]
