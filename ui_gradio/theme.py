"""Gradio's own parts in our colours and with the fonts that a machine has anyway."""

from __future__ import annotations

import gradio as gr

__all__ = ["page_theme"]

_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def page_theme() -> gr.themes.Base:
    """Return a theme that fetches no font from anywhere."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.cyan,
        neutral_hue=gr.themes.colors.slate,
        font=_FONTS,
        font_mono=_MONO,
    )
    return theme.set(
        body_background_fill="#f6f9fa",
        body_background_fill_dark="#0f171b",
        body_text_color="#14242c",
        body_text_color_dark="#e8f0f3",
    )
