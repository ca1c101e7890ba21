"""From messages to jobs: a message is held while its jobs work, and deleted when all are completed.

Nothing is remembered that the queue and the store do not know. A message that comes again (its
reader was killed, or SQS delivered it twice) meets the jobs that it already has, because its id is
their idempotency key. So any number of readers may work on one queue.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, final

from engine.errors import BusyError, InputError, LightboxError, MemoryShortError, StoreError
from engine.jobs.intake.ledger import Ledger, Round
from engine.jobs.intake.messages import Order, orders_of
from engine.jobs.intake.parking import park
from engine.jobs.intake.queueing import Message, MessageQueue
from engine.people.actors import Actor

if TYPE_CHECKING:
    from engine.jobs.queue import Queue
    from engine.settings import Settings
    from engine.store import Store
    from engine.store.records import Job

__all__ = ["INTAKE_ACTOR", "Intake"]

INTAKE_ACTOR: Final = Actor(id="intake", name="Message queue", role="UPLOADER")
"""Who submits the jobs: somebody who may send samples, and nothing that administrators may."""

_MOST_HELD: Final = 50
_RETRY_S: Final = 30
_LONGEST_RETRY_S: Final = 900
_log = logging.getLogger(__name__)


@final
@dataclass(slots=True)
class _Held:
    """A message that we hold, and until when (monotonic seconds) it is hidden from others."""

    message: Message
    orders: tuple[Order, ...]
    until: float
    jobs: dict[str, str] = field(default_factory=dict)


@final
class Intake:
    """Reads the queue of ``LIGHTBOX_SQS_QUEUE_URL``; one object belongs to one thread.

    Raises
    ------
    SettingsError, MissingBackendError, RemoteError
        When no queue is set, boto3 is missing, or its client cannot be made.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        queue: Queue,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._store = store
        self._queue = queue
        self._messages = MessageQueue(settings)
        self._clock = clock
        self._held: dict[str, _Held] = {}

    def step(self, *, wait_s: int = 0) -> Round:
        """Look after the messages that are held, then receive more, for up to ``wait_s`` seconds.

        Raises
        ------
        RemoteError, NotFoundError
            When the queue does not answer, or is not there.
        StoreError
            When the records cannot be read or written.
        """
        done = Round()
        for held in tuple(self._held.values()):
            done = self._look_after(held, done)
        room = _MOST_HELD - len(self._held)
        for message in self._messages.receive(most=room, wait_s=wait_s) if room else ():
            done = self._begin(message, replace(done, received=done.received + 1))
        return replace(done, held=len(self._held))

    def run(self, stop: threading.Event, ledger: Ledger) -> None:
        """Go on until ``stop`` is set; what goes wrong is noted and tried again later."""
        pause_s = 1.0
        while not stop.is_set():
            try:
                done = self.step(wait_s=1 if self._held else 10)
            except (LightboxError, OSError) as error:
                ledger.note_error(error)
                stop.wait(pause_s)
                pause_s = min(2 * pause_s, 60.0)
            else:
                pause_s = 1.0
                ledger.note(done)
                if not done.received:
                    stop.wait(0.5)

    # --- one message -----------------------------------------------------------------------------

    def _begin(self, message: Message, done: Round) -> Round:
        try:
            orders = orders_of(message.body, self._settings)
        except InputError as error:
            return self._park(message, str(error), done)
        held = _Held(message, orders, self._clock() + self._settings.sqs_visibility_s)
        self._held[message.id] = held
        return self._look_after(held, done)

    def _look_after(self, held: _Held, done: Round) -> Round:
        """Do what the states of the message's jobs ask for."""
        message = held.message
        try:
            open_jobs, done = self._advance(held, done)
        except (BusyError, MemoryShortError, StoreError) as error:
            # Not the message's fault: it comes again, and no try is counted.
            _log.warning("message %s waits: %s", message.id, error)
            self._let_go(held, _RETRY_S)
            return done
        except InputError as error:
            return self._park(message, str(error), done)
        if open_jobs is None:
            return done
        if open_jobs:
            self._keep(held)
            return done
        self._messages.delete(message)
        del self._held[message.id]
        _log.info("message %s is done", message.id)
        return replace(done, completed=done.completed + 1)

    def _advance(self, held: _Held, done: Round) -> tuple[int | None, Round]:
        """Return how many jobs are open; ``None`` when the message was let go or parked."""
        open_jobs = 0
        for number, order in enumerate(held.orders):
            jobs = self._jobs(held.message, number)
            last = jobs[-1] if jobs else None
            if any(job.state == "completed" for job in jobs):
                continue
            if last is None or (last.state == "failed" and last.id not in held.jobs.values()):
                # New, or given back after a failed try and received again.
                if _failures(jobs) >= self._settings.sqs_tries:
                    return None, self._park(held.message, _gave_up(jobs), done)
                last = self._submit(held, number, order)
                done = replace(done, submitted=done.submitted + 1)
            if last.state == "cancelled":
                reason = f"Its job {last.id} was cancelled."
                return None, self._park(held.message, reason, done)
            if last.state == "failed":
                return None, self._failed(held, jobs, done)
            held.jobs[str(number)] = last.id
            open_jobs += last.state != "completed"
        return open_jobs, done

    def _jobs(self, message: Message, number: int) -> tuple[Job, ...]:
        """Return the jobs of one order of a message, the oldest first."""
        found = self._store.jobs.read().where(idempotency_key=_key(message, number))
        return tuple(sorted(found, key=lambda job: (job.created_at, job.id)))

    def _submit(self, held: _Held, number: int, order: Order) -> Job:
        job = self._queue.submit(
            order.task,
            order.payload,
            actor=INTAKE_ACTOR,
            idempotency_key=_key(held.message, number),
        )
        _log.info("message %s became job %s (%s)", held.message.id, job.id, job.task)
        return job

    def _failed(self, held: _Held, jobs: tuple[Job, ...], done: Round) -> Round:
        """Give the message back for a later try, or park it after the last one."""
        tries = _failures(jobs)
        done = replace(done, failed=done.failed + 1)
        if tries >= self._settings.sqs_tries:
            return self._park(held.message, _gave_up(jobs), done)
        self._let_go(held, min(_RETRY_S * 2 ** (tries - 1), _LONGEST_RETRY_S))
        return done

    def _park(self, message: Message, reason: str, done: Round) -> Round:
        park(message, reason, self._settings, self._messages)
        self._messages.delete(message)
        self._held.pop(message.id, None)
        _log.warning("message %s is parked: %s", message.id, reason)
        return replace(done, parked=done.parked + 1)

    # --- holding on ------------------------------------------------------------------------------

    def _keep(self, held: _Held) -> None:
        """Hide the message for longer, in time."""
        if held.until - self._clock() > self._settings.sqs_visibility_s / 2:
            return
        try:
            self._messages.hold(held.message, self._settings.sqs_visibility_s)
            held.until = self._clock() + self._settings.sqs_visibility_s
        except LightboxError as error:
            # After twelve hours SQS hides no longer; then it comes again and meets its jobs.
            _log.warning("message %s can no longer be held: %s", held.message.id, error)
            del self._held[held.message.id]

    def _let_go(self, held: _Held, after_s: int) -> None:
        """Let the message come again after a while."""
        self._held.pop(held.message.id, None)
        try:
            self._messages.hold(held.message, after_s)
        except LightboxError as error:  # then it comes when it is hidden no longer
            _log.warning("message %s could not be given back: %s", held.message.id, error)


def _key(message: Message, number: int) -> str:
    return f"sqs:{message.id}" if number == 0 else f"sqs:{message.id}/{number}"


def _failures(jobs: tuple[Job, ...]) -> int:
    return sum(job.state == "failed" for job in jobs)


def _gave_up(jobs: tuple[Job, ...]) -> str:
    count = _failures(jobs)
    times = "once" if count == 1 else f"{count} times"
    return f"Its job failed {times}, the last time with: {jobs[-1].error or 'no reason told'}"
