"""What the server uses, what is left, and whether each of its parts works.

Figures are those that the container sees. Nothing here knows a page or a route; both show the
documents of :class:`Monitor`.
"""

from __future__ import annotations

from engine.monitoring.figures import Figures, GpuFigures
from engine.monitoring.health import PartHealth
from engine.monitoring.monitor import Monitor

__all__ = ["Figures", "GpuFigures", "Monitor", "PartHealth"]
