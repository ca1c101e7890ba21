"""Samples with known figures, and a workbench of its own for a test."""

from __future__ import annotations

from engine.monitoring.figures import Figures

__all__ = ["a_sample"]


def a_sample(at: float = 1_000.0) -> Figures:
    """Return a sample in which every figure is known."""
    return Figures(
        at=at,
        cpu_percent=12.5,
        cpu_cores=2.0,
        cpu_source="machine",
        memory_total_mb=24_000.0,
        memory_free_mb=6_000.0,
        memory_floor_mb=500.0,
        memory_source="cgroup v2",
        swap_free_mb=100.0,
        disk_total_mb=50_000.0,
        disk_free_mb=20_000.0,
        server_mb=300.0,
        children_mb=150.0,
        children=2,
        jobs={"pending": 2, "processing": 1, "completed": 5},
        oldest_pending_s=42.0,
    )
