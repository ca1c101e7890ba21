"""The documents of ``/monitoring/status`` and ``/monitoring/resources``: values with units."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import engine
from engine.inference.timings import ModelLatency
from engine.monitoring.figures import Figures
from engine.monitoring.health import PartHealth, worst

__all__ = ["resources", "status"]


def status(
    parts: Sequence[PartHealth],
    now: Figures,
    latencies: Sequence[ModelLatency],
    *,
    started_at: float,
) -> dict[str, Any]:
    """Return ``status`` (the worst part's), ``parts``, ``queue`` and ``models``."""
    return {
        "status": worst(parts),
        "timestamp": _moment(now.at),
        "version": engine.__version__,
        "uptime_s": round(max(0.0, time.time() - started_at), 1),
        "parts": [
            {
                "name": part.name,
                "title": part.title,
                "ok": part.ok,
                "state": part.state,
                "text": part.text,
                "checked_at": _moment(part.checked_at),
            }
            for part in parts
        ],
        "queue": _queue(now),
        "models": [
            {
                "model": row.model,
                "count": row.count,
                "recent": row.recent,
                "p50_ms": round(1000 * row.p50_s, 2),
                "p95_ms": round(1000 * row.p95_s, 2),
                "longest_ms": round(1000 * row.longest_s, 2),
                "last_at": _moment(row.last_at),
            }
            for row in latencies
        ],
    }


def resources(now: Figures, history: Sequence[Figures] = ()) -> dict[str, Any]:
    """Return what is used and what is left; ``history`` is added when there is one."""
    document: dict[str, Any] = {"timestamp": _moment(now.at), **_resources(now)}
    if history:
        document["history"] = [{"timestamp": _moment(one.at), **_resources(one)} for one in history]
    return document


def _resources(now: Figures) -> dict[str, Any]:
    return {
        "cpu": {
            "usage_percent": round(now.cpu_percent, 1),
            "cores": now.cpu_cores,
            "source": now.cpu_source,
        },
        "memory": {
            "total_mb": round(now.memory_total_mb, 1),
            "used_mb": round(now.memory_used_mb, 1),
            "available_mb": round(now.memory_free_mb, 1),
            "usage_percent": _percent(now.memory_used_mb, now.memory_total_mb),
            "floor_mb": now.memory_floor_mb,
            "above_floor": now.memory_free_mb >= now.memory_floor_mb,
            "swap_free_mb": round(now.swap_free_mb, 1),
            "source": now.memory_source,
        },
        "disk": {
            "total_mb": round(now.disk_total_mb, 1),
            "free_mb": round(now.disk_free_mb, 1),
            "usage_percent": _percent(now.disk_total_mb - now.disk_free_mb, now.disk_total_mb),
        },
        "gpu": [
            {"name": gpu.name, "total_mb": round(gpu.total_mb, 1), "free_mb": round(gpu.free_mb, 1)}
            for gpu in now.gpus
        ],
        "process": {
            "server_mb": round(now.server_mb, 1),
            "children_mb": round(now.children_mb, 1),
            "children": now.children,
        },
        "queue": _queue(now),
    }


def _queue(now: Figures) -> dict[str, Any]:
    return {
        "jobs": now.jobs,
        "pending": now.waiting,
        "processing": now.running,
        "oldest_pending_s": None
        if now.oldest_pending_s is None
        else round(now.oldest_pending_s, 1),
    }


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 1) if whole > 0 else 0.0


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
