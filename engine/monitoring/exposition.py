"""All figures in Prometheus's text format: base units, and no names of people, files or records.

Names and types follow "Metric and label naming" of Prometheus's documentation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

import engine
from engine.inference.timings import BUCKETS_S, ModelLatency
from engine.monitoring.figures import Figures
from engine.monitoring.health import PartHealth

__all__ = ["exposition"]

_MB: Final = 1_000_000
_JOB_STATES: Final = ("pending", "processing", "completed", "failed", "cancelled", "stuck")


def exposition(
    now: Figures,
    parts: Sequence[PartHealth],
    latencies: Sequence[ModelLatency],
    *,
    started_at: float,
) -> bytes:
    """Return the text of one scrape.

    The registry is our own and made for this answer: nothing of the process or of another library
    gets into it unasked.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected([
        *_machine(now),
        *_queue(now),
        *_health(parts),
        _latency(latencies),
        InfoMetricFamily("lightbox_build", "Version of Lightbox.", {"version": engine.__version__}),
        _gauge("lightbox_start_time_seconds", "When the server began, since 1970.", started_at),
    ]))  # fmt: skip
    return generate_latest(registry)


@final
class _Collected(Collector):
    """Metrics that are ready."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values:
        family.add_metric([key], value)
    return family


def _machine(now: Figures) -> Iterator[Metric]:
    yield _gauge("lightbox_cpu_usage_ratio", "Busy share of the cores.", now.cpu_percent / 100)
    yield _gauge("lightbox_cpu_cores", "Cores that may be used.", now.cpu_cores)
    amounts = (
        ("memory_limit", "Memory that may be used.", now.memory_total_mb),
        ("memory_available", "Memory that may still be taken.", now.memory_free_mb),
        ("memory_floor", "Memory that must stay available.", now.memory_floor_mb),
        ("swap_free", "Swap that is free.", now.swap_free_mb),
        ("disk_size", "Size of the disk that holds the records.", now.disk_total_mb),
        ("disk_free", "Free space on that disk.", now.disk_free_mb),
    )
    for name, text, amount_mb in amounts:
        yield _gauge(f"lightbox_{name}_bytes", text, amount_mb * _MB)
    yield _labelled(
        "lightbox_resident_memory_bytes",
        "Resident memory of the server and of the processes that it started.",
        "process",
        [("server", now.server_mb * _MB), ("children", now.children_mb * _MB)],
    )
    yield _gauge("lightbox_child_processes", "Processes that the server started.", now.children)
    if now.gpus:
        for name, text in (("size", "Memory of a GPU."), ("free", "Free memory of a GPU.")):
            family = GaugeMetricFamily(
                f"lightbox_gpu_memory_{name}_bytes", text, labels=["gpu", "model"]
            )
            for number, gpu in enumerate(now.gpus):
                amount_mb = gpu.total_mb if name == "size" else gpu.free_mb
                family.add_metric([str(number), gpu.name], amount_mb * _MB)
            yield family


def _queue(now: Figures) -> Iterator[Metric]:
    if now.jobs is None:  # the records cannot be read: no figure is better than a wrong one
        return
    states = dict.fromkeys(_JOB_STATES, 0) | now.jobs
    yield _labelled(
        "lightbox_jobs", "Jobs that are kept, by state.", "state", sorted(states.items())
    )
    yield _gauge(
        "lightbox_queue_oldest_pending_seconds",
        "How long the oldest waiting job has waited; 0 when none waits.",
        now.oldest_pending_s or 0.0,
    )


def _health(parts: Sequence[PartHealth]) -> Iterator[Metric]:
    yield _labelled(
        "lightbox_part_up",
        "1 when a part of the server works, 0 when it has failed.",
        "part",
        [(part.name, float(part.ok)) for part in parts],
    )
    yield _labelled(
        "lightbox_part_attention",
        "1 when a part works but somebody should look.",
        "part",
        [(part.name, float(part.state == "attention")) for part in parts],
    )


def _latency(latencies: Sequence[ModelLatency]) -> Metric:
    family = HistogramMetricFamily(
        "lightbox_model_duration_seconds", "How long networks took to answer.", labels=["model"]
    )
    for row in latencies:
        buckets = [
            ("+Inf" if math.isinf(upper) else str(upper), float(below))
            for upper, below in zip(BUCKETS_S, accumulate(row.counts), strict=True)
        ]
        family.add_metric([row.model], buckets, sum_value=row.total_s)
    return family
