"""What a task has in hand while it works: its job, the store, a folder, and whom to tell."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, final

from engine.errors import JobCancelledError, MemoryShortError
from engine.jobs.folders import JobFolder
from engine.jobs.live import Live, write_live
from engine.jobs.logs import append_line
from engine.jobs.pace import Pace
from engine.jobs.task import Payload
from engine.memory_guard import MemoryGuard, PausingGuard, gpu_memory
from engine.store import Store, now
from engine.store.records import Job, ResultRef

if TYPE_CHECKING:
    from engine.people.actors import Actor
    from engine.settings import Settings
    from engine.store.files import Files

__all__ = ["JobContext"]

_WRITE_EVERY_S = 0.2


@final
class JobContext:
    """One attempt at a job, as its task sees it.

    Every call of :meth:`report`, :meth:`guard_step` and :meth:`sleep` is a place where a cancelled
    job ends: :class:`~engine.errors.JobCancelledError` comes out of it, which a task lets pass
    after it has put things in order. What lies in :attr:`folder` survives a kill, so that a
    resumable task finds it there at its next attempt.
    """

    def __init__(
        self,
        job: Job,
        settings: Settings,
        *,
        store: Store | None = None,
        guard: MemoryGuard | None = None,
    ) -> None:
        self.job = job
        self.settings = settings
        self.results: tuple[ResultRef, ...] = ()
        self._files_of_job = JobFolder.of(settings, job.id)
        self._given_store = store
        self._live = Live(message="Starting", heartbeat_at=now(), process_id=os.getpid())
        self._lock = threading.RLock()
        self._written_at = 0.0
        self._heard_at = time.monotonic()
        self._stopping = threading.Event()
        self._pace = Pace()
        self._memory = PausingGuard(
            guard or MemoryGuard(floor_mb=settings.memory_floor_mb),
            patience_s=settings.memory_wait_s,
            tell=self._paused,
            sleep=self.sleep,
        )

    # --- what the task works with --------------------------------------------------------------

    @property
    def payload(self) -> Payload:
        """What was asked for, as the task's check left it."""
        return self.job.payload

    @property
    def folder(self) -> Path:
        """The task's own folder, which survives a kill; empty at the first attempt."""
        self._files_of_job.checkpoint.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._files_of_job.checkpoint

    @cached_property
    def store(self) -> Store:
        """The records of this home."""
        return self._given_store or Store(self.settings.home / "records")

    @cached_property
    def files(self) -> Files:
        """The files of this home."""
        from engine.store.files import open_files

        return open_files(self.settings)

    @cached_property
    def actor(self) -> Actor:
        """Whoever asked for the job, in the role of this moment; may be somebody gone by now."""
        from engine.people.actors import SYSTEM, VISITOR, Actor, role_of

        for known in (SYSTEM, VISITOR):
            if self.job.created_by == known.id:
                return known
        user = self.store.users.read().get(self.job.created_by)
        if user is None:
            return Actor(id=self.job.created_by, name="Somebody who left", role=None)
        return Actor(id=user.id, name=user.name, role=role_of(user.role) if user.role else None)

    # --- what it tells -------------------------------------------------------------------------

    def report(self, fraction: float | None, stage: str = "", message: str = "") -> None:
        """Tell how far it is: ``fraction`` in 0..1 (``None``: unknown), what is done, a detail.

        Cheap enough for every step; what comes too often is shown a moment later.

        Raises
        ------
        JobCancelledError
            When the job was told to stop.
        """
        self.check()
        if fraction is not None:
            fraction = min(1.0, max(0.0, float(fraction)))
        with self._lock:
            is_new_stage = bool(stage) and stage != self._live.stage
            self._live = replace(
                self._live,
                fraction=fraction,
                stage=stage or self._live.stage,
                message=message,
                eta_s=self._pace.eta_s(fraction),
            )
            self._hear(at_once=is_new_stage or fraction == 1.0)
        if is_new_stage:
            self._log(stage)

    def log(self, text: str) -> None:
        """Add a line to the job's log, which people read: no names of patients, no secrets."""
        with self._lock:
            self._heard_at = time.monotonic()
        self._log(text)

    def result(self, kind: str, ref: str, title: str = "") -> None:
        """Name something that the job made, by kind and id or content hash; once is enough."""
        made = ResultRef(kind=kind, ref=ref, title=title)
        if made not in self.results:
            self.results = (*self.results, made)

    # --- where it may be held up or ended ------------------------------------------------------

    def guard_step(
        self, need_mb: float = 0.0, *, what: str = "the next step", gpu_mb: float = 0.0
    ) -> None:
        """Return when ``need_mb`` more memory fits above the floor; pause for it, then give up.

        Call it between steps, after the state is saved.

        Raises
        ------
        MemoryShortError
            When memory stayed short; the message has the figures.
        JobCancelledError
            When the job was told to stop.
        """
        self.check()
        self._memory.step(need_mb, what=what)
        if gpu_mb:
            self._require_gpu(gpu_mb, what)
        with self._lock:
            self._hear(at_once=False)

    def check(self) -> None:
        """Return unless the job was told to stop.

        Raises
        ------
        JobCancelledError
            When it was.
        """
        if self._stopping.is_set():
            raise JobCancelledError("This job was told to stop.")

    def sleep(self, seconds: float) -> None:
        """Wait; somebody who waits for something outside is no job that hangs.

        Raises
        ------
        JobCancelledError
            When the job was told to stop.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with self._lock:
                self._hear(at_once=False)
            self._stopping.wait(min(left, 1.0))
            self.check()
        self.check()

    # --- for the process around it -------------------------------------------------------------

    def stop(self) -> None:
        """Tell the task to stop at its next report; may be called by a signal's handler."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """Whether the job was told to stop."""
        return self._stopping.is_set()

    def beat(self, *, silence_s: float) -> None:
        """Show that the job lives, unless its task has said nothing for ``silence_s``."""
        with self._lock:
            if time.monotonic() - self._heard_at <= silence_s:
                self._write()

    def _hear(self, *, at_once: bool) -> None:
        self._heard_at = time.monotonic()
        if at_once or self._heard_at - self._written_at >= _WRITE_EVERY_S:
            self._write()

    def _write(self) -> None:
        self._written_at = time.monotonic()
        self._live = replace(self._live, heartbeat_at=now())
        write_live(self._files_of_job, self.job.attempts, self._live)

    def _paused(self, because: str) -> None:
        with self._lock:
            if because and not self._live.paused_because:
                self._log(because)
            elif not because and self._live.paused_because:
                self._log("Goes on: there is memory again.")
            self._live = replace(self._live, paused_because=because)
            self._hear(at_once=True)

    def _log(self, text: str) -> None:
        with suppress(OSError):  # a full disk is told by what cannot go on, not by its log
            append_line(self._files_of_job.log, text)

    def _require_gpu(self, need_mb: float, what: str) -> None:
        cards = gpu_memory()
        if not cards:
            return  # it runs on the processor, whose memory was asked
        free_mb = max(card.free_mb for card in cards)
        if need_mb > free_mb:
            raise MemoryShortError(
                f"Too little graphics memory for {what}: it needs about {need_mb:.0f} MB, but only "
                f"{free_mb:.0f} MB are free on the emptiest card. Wait for other work to end, or "
                "set LIGHTBOX_DEVICE=cpu."
            )
