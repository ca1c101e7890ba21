"""Samples in the background, keeps the last hour, and says what the server uses and how it is."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, final

from engine.inference import timings
from engine.inference.timings import ModelLatency
from engine.monitoring import documents
from engine.monitoring.figures import Figures
from engine.monitoring.health import HealthBoard, PartHealth
from engine.monitoring.history import HISTORY_S, History
from engine.monitoring.pings import pings
from engine.monitoring.sampling import Sampler
from engine.monitoring.sources import Sources
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.backups import Backups
    from engine.jobs.queue import Queue
    from engine.people.audit import AuditLog
    from engine.store import Store
    from engine.store.files import Files

__all__ = ["SAMPLE_EVERY_S", "Monitor"]

SAMPLE_EVERY_S: Final = 5.0
"""Seconds between two samples."""

_log = logging.getLogger(__name__)


@final
class Monitor:
    """Figures and health of one server; safe from any thread.

    ``store``, ``files``, ``queue``, ``backups`` and ``audit`` are called when their part is asked
    about: a damaged one is a part in bad health, and no reason for the others to be silent.

    Several processes may have a monitor on one home. One of them samples at a time; the others
    read what it keeps, and one of them takes over when it goes.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: Callable[[], Store],
        files: Callable[[], Files],
        queue: Callable[[], Queue],
        backups: Callable[[], Backups],
        audit: Callable[[], AuditLog],
        every_s: float = SAMPLE_EVERY_S,
    ) -> None:
        self._settings = settings
        self._every_s = every_s
        self._sampler = Sampler(
            Sources(
                settings=settings,
                store=store,
                files=files,
                queue=queue,
                backups=backups,
                audit=audit,
            )
        )
        logs = settings.home / "logs"
        self._history = History(logs / "monitoring.jsonl", most=max(2, round(HISTORY_S / every_s)))
        self._lock_path = logs / "monitoring.lock"
        self._lock_descriptor = -1
        self._board = HealthBoard(pings(self._sampler.sources, self.now))
        self._last: Figures | None = None
        self._threads: tuple[threading.Thread, ...] = ()
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self.started_at = time.time()

    # --- running -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to sample and to ask the parts, in two threads; a second call changes nothing."""
        with self._starting:
            if self._threads:
                return
            # An event of their own: a thread that outlived its stop must not begin again.
            self._stopping = stopping = threading.Event()
            self._threads = tuple(
                threading.Thread(target=work, args=(stopping,), name=f"monitor {what}", daemon=True)
                for what, work in (("samples", self._sample_on), ("parts", self._ask_on))
            )
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """Stop sampling; waits for a sample in progress, not for a part that does not answer."""
        with self._starting:
            self._stopping.set()
            for thread in self._threads:
                thread.join(2.0)
            self._threads = ()
            self._leave_sampling()

    @property
    def is_sampling(self) -> bool:
        """Whether this process is the one that samples for its home."""
        return self._lock_descriptor >= 0

    # --- answers -------------------------------------------------------------------------------

    def now(self) -> Figures:
        """Return figures that are no older than two samples."""
        last = self._last
        if last is not None and 0 <= time.time() - last.at < 2 * self._every_s:
            return last
        self._last = self._sampler.sample()
        return self._last

    def history(self, *, since: float = 0.0) -> tuple[Figures, ...]:
        """Return the samples of the last hour after ``since`` (s since 1970), the oldest first."""
        moment = time.time()
        if not self.is_sampling:
            self._history.refresh(now=moment)
        return self._history.since(max(since, moment - HISTORY_S))

    def parts(self) -> tuple[PartHealth, ...]:
        """Return the health of each part, at most some seconds to minutes old."""
        if not self._threads:
            self._board.refresh()
        return self._board.healths()

    def latencies(self) -> tuple[ModelLatency, ...]:
        """Return how long each network took in the last hour."""
        if not self._threads:
            timings.TIMINGS.take(timings.folder_of(self._settings))
        return timings.TIMINGS.figures(within_s=HISTORY_S)

    def status(self) -> dict[str, Any]:
        """Return the document of ``GET /monitoring/status``: parts, queue, models."""
        return documents.status(
            self.parts(), self.now(), self.latencies(), started_at=self.started_at
        )

    def resources(self, *, minutes: int = 0) -> dict[str, Any]:
        """Return the document of ``GET /monitoring/resources``; with samples of some minutes."""
        since = time.time() - 60 * min(max(minutes, 0), 60)
        return documents.resources(self.now(), self.history(since=since) if minutes > 0 else ())

    def prometheus(self) -> str:
        """Return all figures in Prometheus's text format, version 0.0.4."""
        from engine.monitoring.exposition import exposition

        return exposition(
            self.now(), self.parts(), self.latencies(), started_at=self.started_at
        ).decode("utf-8")

    # --- threads -------------------------------------------------------------------------------

    def _sample_on(self, stopping: threading.Event) -> None:
        while True:
            began = time.monotonic()
            try:
                self._take_sample(stopping)
            except Exception:  # noqa: BLE001 – it is logged, and sampling goes on
                _log.exception("a sample of the server's figures failed; the next one is tried")
            spent = time.monotonic() - began
            if stopping.wait(max(0.05, self._every_s - spent)):
                return

    def _take_sample(self, stopping: threading.Event) -> None:
        self._last = sample = self._sampler.sample()
        timings.TIMINGS.take(timings.folder_of(self._settings))
        if stopping.is_set():
            return
        if not self.is_sampling and self._enter_sampling():
            self._history.load(now=sample.at)
        if self.is_sampling:
            self._history.add(sample)

    def _ask_on(self, stopping: threading.Event) -> None:
        while True:
            self._board.refresh(is_over=stopping.is_set)
            if stopping.wait(self._every_s):
                return

    def _enter_sampling(self) -> bool:
        """Become the process that keeps the history, unless another one is."""
        with suppress(OSError):
            self._lock_path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                return False
            self._lock_descriptor = descriptor
            return True
        return False

    def _leave_sampling(self) -> None:
        if self._lock_descriptor >= 0:
            os.close(self._lock_descriptor)
            self._lock_descriptor = -1
