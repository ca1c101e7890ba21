"""How long networks take: one recorder for each process, bounded, safe from any thread.

Every network that is opened through :mod:`engine.inference.runtimes` is timed. A process that ends
before anybody asks it leaves its figures in a folder, from which a living one takes them over.
Knows models by name, and nothing of what they were shown.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from engine.settings import Settings

__all__ = [
    "BUCKETS_S",
    "TIMINGS",
    "ModelLatency",
    "Timings",
    "folder_of",
    "latency",
    "percentile",
    "timed",
]

BUCKETS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, math.inf),
)
"""Upper ends of the histogram's classes, in seconds."""

_KEPT_RUNS: Final = 512
_MOST_MODELS: Final = 32
_LONGEST_NAME: Final = 80
_OTHERS: Final = "others"
_MOST_FILES: Final = 500
_MOST_BYTES: Final = 1_000_000
_HALF_DONE_S: Final = 3600.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLatency:
    """How long one model took.

    ``count``, ``total_s`` and ``counts`` (runs in each class of :data:`BUCKETS_S`, not cumulated)
    are since the process began; ``recent``, ``p50_s``, ``p95_s`` and ``longest_s`` are of the
    latest runs, at most 512, within the time that was asked for, and 0 when there was none.
    ``last_at`` is in seconds since 1970.
    """

    model: str
    count: int
    total_s: float
    counts: tuple[int, ...]
    recent: int
    p50_s: float
    p95_s: float
    longest_s: float
    last_at: float


@final
@dataclass(slots=True)
class _Runs:
    """What is kept of one model."""

    count: int = 0
    total_s: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * len(BUCKETS_S))
    latest: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_KEPT_RUNS))

    def add(self, at: float, seconds: float) -> None:
        self.count += 1
        self.total_s += seconds
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.latest.append((at, seconds))


@final
class Timings:
    """Durations by model; at most 32 models and 512 runs of each are kept.

    ``clock`` tells seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._models: dict[str, _Runs] = {}

    def record(self, model: str, seconds: float) -> None:
        """Note one run; what is no duration (negative, not finite) is left out."""
        if not (math.isfinite(seconds) and seconds >= 0):
            return
        now = self._clock()
        with self._lock:
            self._runs_of(model).add(now, seconds)

    @contextmanager
    def timed(self, model: str) -> Iterator[None]:
        """Note how long the block takes; a block that fails is no run of the model."""
        began = time.perf_counter()
        yield
        self.record(model, time.perf_counter() - began)

    def figures(self, *, within_s: float = 3600.0) -> tuple[ModelLatency, ...]:
        """Return one row for each model, by name; percentiles over the last ``within_s`` s."""
        since = self._clock() - within_s
        with self._lock:
            kept = [
                (name, runs.count, runs.total_s, tuple(runs.counts), tuple(runs.latest))
                for name, runs in sorted(self._models.items())
            ]
        return tuple(_row(*one, since=since) for one in kept)

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._models.clear()

    def leave(self, folder: Path) -> None:
        """Hand all figures over to whoever next takes from ``folder``, and begin anew.

        What cannot be written is lost: no work fails for want of its own timing.
        """
        with self._lock:
            told = {name: _as_document(runs) for name, runs in self._models.items()}
            self._models.clear()
        if not told:
            return
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if len(list(folder.iterdir())) >= _MOST_FILES:  # nobody takes them: a full shelf
                return
            descriptor, name = tempfile.mkstemp(dir=folder, suffix=".part")
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(told, file)
            Path(name).replace(Path(name).with_suffix(".json"))

    def take(self, folder: Path) -> int:
        """Add what ended processes left in ``folder``; return how many of them there were."""
        taken = 0
        for path in _left_in(folder):
            mine = path.with_suffix(f".{os.getpid()}")
            try:
                path.rename(mine)  # claimed: another process finds it gone
            except OSError:
                continue
            with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
                text = mine.read_text(encoding="utf-8") if _is_small(mine) else "{}"
                self._add(json.loads(text))
                taken += 1
            mine.unlink(missing_ok=True)
        return taken

    def _add(self, told: dict[str, Any]) -> None:
        for name, document in told.items():
            found = _from_document(document)
            with self._lock:
                runs = self._runs_of(str(name))
                runs.count += found.count
                runs.total_s += found.total_s
                runs.counts = [a + b for a, b in zip(runs.counts, found.counts, strict=True)]
                merged = sorted([*runs.latest, *found.latest])[-_KEPT_RUNS:]
                runs.latest = deque(merged, maxlen=_KEPT_RUNS)

    def _runs_of(self, model: str) -> _Runs:
        name = model[:_LONGEST_NAME]
        if name not in self._models and len(self._models) >= _MOST_MODELS:
            name = _OTHERS
        return self._models.setdefault(name, _Runs())


TIMINGS: Final = Timings()
"""The recorder of this process."""


def latency(model: str, seconds: float) -> None:
    """Note in this process's recorder that ``model`` took ``seconds``."""
    TIMINGS.record(model, seconds)


@contextmanager
def timed(model: str) -> Iterator[None]:
    """Note in this process's recorder how long the block takes."""
    with TIMINGS.timed(model):
        yield


def folder_of(settings: Settings) -> Path:
    """Return where processes that end leave their figures for the server."""
    return settings.home / "logs" / "timings"


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of all do not exceed; 0 for none.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0, 3.0, 4.0], 0.95)
    (2.0, 4.0)
    """
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _row(
    name: str,
    count: int,
    total_s: float,
    counts: tuple[int, ...],
    latest: tuple[tuple[float, float], ...],
    *,
    since: float,
) -> ModelLatency:
    recent = [seconds for at, seconds in latest if at >= since]
    return ModelLatency(
        model=name,
        count=count,
        total_s=total_s,
        counts=counts,
        recent=len(recent),
        p50_s=percentile(recent, 0.5),
        p95_s=percentile(recent, 0.95),
        longest_s=max(recent, default=0.0),
        last_at=max((at for at, _ in latest), default=0.0),
    )


def _left_in(folder: Path) -> list[Path]:
    """Return the files to take; what a killed process left half done goes after an hour."""
    found = []
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            if path.suffix == ".json":
                found.append(path)
            elif time.time() - path.stat().st_mtime > _HALF_DONE_S:
                path.unlink(missing_ok=True)
    return found


def _is_small(path: Path) -> bool:
    return path.stat().st_size <= _MOST_BYTES


def _as_document(runs: _Runs) -> dict[str, object]:
    return {
        "count": runs.count,
        "total_s": runs.total_s,
        "counts": runs.counts,
        "latest": list(runs.latest),
    }


def _from_document(document: dict[str, Any]) -> _Runs:
    counts = [int(one) for one in document["counts"]]
    if len(counts) != len(BUCKETS_S):
        raise ValueError("classes of another version")
    latest = [(float(at), float(seconds)) for at, seconds in document["latest"]]
    return _Runs(
        count=int(document["count"]),
        total_s=float(document["total_s"]),
        counts=counts,
        latest=deque(latest, maxlen=_KEPT_RUNS),
    )
