"""The parts of the monitoring page: health, figures, charts over the last hour, latency."""

from __future__ import annotations

from ui_streamlit.studio.monitoring.charts import draw_charts
from ui_streamlit.studio.monitoring.latency import draw_latency
from ui_streamlit.studio.monitoring.overview import draw_overview

__all__ = ["draw_charts", "draw_latency", "draw_overview"]
