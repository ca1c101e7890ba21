"""Web pages and programming interfaces on Gradio: one package for each demonstration."""

from __future__ import annotations

import os

__all__: list[str] = []

# Gradio and its hub library read these as text when they are imported: nothing phones home.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
