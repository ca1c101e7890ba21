"""Fewer samples for a picture: what matters in each span of time survives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.monitoring.figures import Figures

__all__ = ["thinned"]


def thinned(samples: Sequence[Figures], *, most: int) -> tuple[Figures, ...]:
    """Return at most ``most`` samples that stand for all, the oldest first.

    Each stands for an equal span of time: mean CPU use, the least free memory, swap and disk, the
    most resident memory and the longest queue of it, and all else as it was at its end.
    """
    if len(samples) <= most:
        return tuple(samples)
    first, last = samples[0].at, samples[-1].at
    span_s = max((last - first) / most, 1e-9)
    groups: dict[int, list[Figures]] = {}
    for one in samples:
        groups.setdefault(min(most - 1, int((one.at - first) / span_s)), []).append(one)
    return tuple(_standing_for(group) for _, group in sorted(groups.items()))


def _standing_for(group: Sequence[Figures]) -> Figures:
    known = [one for one in group if one.jobs is not None]
    longest = max(known, key=lambda one: one.waiting or 0, default=group[-1])
    return replace(
        group[-1],
        cpu_percent=sum(one.cpu_percent for one in group) / len(group),
        memory_free_mb=min(one.memory_free_mb for one in group),
        swap_free_mb=min(one.swap_free_mb for one in group),
        disk_free_mb=min(one.disk_free_mb for one in group),
        server_mb=max(one.server_mb for one in group),
        children_mb=max(one.children_mb for one in group),
        jobs=longest.jobs,
        oldest_pending_s=max((one.oldest_pending_s or 0.0 for one in group), default=0.0) or None,
    )
