"""One sample of what the server uses and has left, and its line in the history file."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any, final

__all__ = ["Figures", "GpuFigures"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFigures:
    """Memory of one GPU in MB."""

    name: str
    total_mb: float
    free_mb: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The state at one moment, as the container sees it. MB are 10⁶ bytes.

    ``at`` is in seconds since 1970. ``cpu_percent`` is in 0..100 of ``cpu_cores``, the cores that
    may be used; ``cpu_source`` says whether a quota or the machine is the tighter of the two.
    ``memory_free_mb`` is what may still be taken before the tightest limit, which
    ``memory_source`` names, and ``memory_floor_mb`` what must stay of it. ``jobs`` counts by
    state; ``oldest_pending_s`` is how long the oldest waiting job has waited. Both are ``None``
    when the records cannot be read, and the age also when nothing waits. ``server_mb`` is
    resident memory of this process, ``children_mb`` of the ``children`` processes below it.
    """

    at: float
    cpu_percent: float
    cpu_cores: float
    cpu_source: str
    memory_total_mb: float
    memory_free_mb: float
    memory_floor_mb: float
    memory_source: str
    swap_free_mb: float
    disk_total_mb: float
    disk_free_mb: float
    server_mb: float
    children_mb: float
    children: int
    jobs: dict[str, int] | None = None
    oldest_pending_s: float | None = None
    gpus: tuple[GpuFigures, ...] = ()

    @property
    def memory_used_mb(self) -> float:
        """Memory in use below the limit."""
        return max(0.0, self.memory_total_mb - self.memory_free_mb)

    @property
    def waiting(self) -> int | None:
        """Jobs that wait; None when the records cannot be read."""
        return None if self.jobs is None else self.jobs.get("pending", 0)

    @property
    def running(self) -> int | None:
        """Jobs at work; None when the records cannot be read."""
        return None if self.jobs is None else self.jobs.get("processing", 0)

    def to_line(self) -> str:
        """Return the sample as one line of JSON."""
        document = {
            name: round(value, 2) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }
        return json.dumps(document, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_line(cls, line: str) -> Figures | None:
        """Return the sample in a line; None for a torn one, or one of another version."""
        try:
            told = json.loads(line)
            known = {item.name for item in fields(cls)}
            values = {name: value for name, value in told.items() if name in known}
            gpus = tuple(GpuFigures(**one) for one in values.pop("gpus", ()))
            figures = cls(**values, gpus=gpus)
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None
        return figures if _is_sound(figures) else None


def _is_sound(figures: Figures) -> bool:
    """Tell whether every figure is a finite number: the file may have been written by anybody."""
    numbers: list[Any] = [
        value
        for item in fields(figures)
        if item.type == "float"
        for value in [getattr(figures, item.name)]
    ]
    numbers += [figures.oldest_pending_s or 0.0, figures.children]
    return all(isinstance(one, int | float) and math.isfinite(one) for one in numbers)
