"""The intake beside a worker: a thread that reads messages as long as the worker lives."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from engine.errors import LightboxError
from engine.jobs.intake.ledger import Ledger
from engine.jobs.intake.polling import Intake
from engine.jobs.queue import Queue
from engine.store import Store

if TYPE_CHECKING:
    from engine.settings import Settings

__all__ = ["start_intake"]

_log = logging.getLogger(__name__)


def start_intake(
    settings: Settings, stop: threading.Event | None = None
) -> threading.Thread | None:
    """Start reading messages in a thread that ends with the process, or when ``stop`` is set.

    ``None`` when no queue is set. What cannot work is logged and shown by
    :func:`~engine.jobs.intake.ledger.intake_status`; the worker goes on without.
    """
    if not settings.sqs_queue_url:
        return None
    thread = threading.Thread(
        target=_read, args=(settings, stop or threading.Event()), name="intake", daemon=True
    )
    thread.start()
    return thread


def _read(settings: Settings, stop: threading.Event) -> None:
    ledger = Ledger(settings)
    while not stop.is_set():
        try:
            store = Store(settings.home / "records")
            Intake(settings, store, Queue(store, settings)).run(stop, ledger)
        except (LightboxError, OSError) as error:  # no boto3, no region, no records
            ledger.note_error(error)
            stop.wait(60.0)
