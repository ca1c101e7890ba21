"""A caller's request for work, checked and made a record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.errors import MemoryShortError, RequestError
from engine.jobs.choosing import Room, never_fits
from engine.jobs.task import Payload, Task
from engine.memory_guard import free_memory_mb
from engine.store.records import Job

if TYPE_CHECKING:
    from engine.settings import Settings

__all__ = ["new_job", "same_request"]

_LONGEST_PAYLOAD = 100_000
_LONGEST_TEXT = 200
_PRIORITIES = range(-100, 101)


def new_job(
    task: Task,
    payload: Payload,
    settings: Settings,
    *,
    created_by: str,
    title: str = "",
    priority: int = 0,
    idempotency_key: str | None = None,
    after: tuple[str, ...] = (),
) -> Job:
    """Return the record of a new pending job.

    Raises
    ------
    RequestError
        When an argument cannot be used; the message names it.
    MemoryShortError
        When the job could never fit in the memory of this machine.
    """
    _check_number("priority", priority)
    _check_text("title", title)
    _check_text("idempotency_key", idempotency_key or "")
    checked = task.check(payload)
    _check_size(checked)
    need = task.forecast(checked, settings)
    memory = free_memory_mb()
    limit = settings.job_memory_mb
    if limit and need.memory_mb > limit:
        raise MemoryShortError(
            f"This job needs about {need.memory_mb:.0f} MB of memory, but a job may take at most "
            f"{limit} MB (LIGHTBOX_JOB_MEMORY_MB); make it smaller, or raise the limit."
        )
    room = Room(
        free_mb=memory.available_mb,
        total_mb=memory.total_mb,
        floor_mb=settings.memory_floor_mb,
        cores=1,
        all_cores=1,
    )
    if reason := never_fits(need.memory_mb, room):
        raise MemoryShortError(reason)
    return Job(
        task=task.name,
        title=title.strip() or task.title,
        payload=checked,
        priority=priority,
        idempotency_key=idempotency_key or None,
        after=after,
        need_memory_mb=need.memory_mb,
        need_cores=need.cores,
        need_gpu_mb=need.gpu_mb,
        created_by=created_by,
        max_attempts=task.max_attempts,
    )


def same_request(earlier: Job, asked: Job) -> Job:
    """Return the earlier job of one idempotency key.

    Raises
    ------
    RequestError
        When it was something else that was asked then.
    """
    # As JSON, because a stored list comes back as a tuple.
    if earlier.task == asked.task and _as_json(earlier.payload) == _as_json(asked.payload):
        return earlier
    raise RequestError(
        "'idempotency_key' was used before for another task or payload; use a new key for a new "
        "request."
    )


def _as_json(payload: Payload) -> str:
    return json.dumps(payload, allow_nan=False, sort_keys=True)


def _check_number(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value not in _PRIORITIES:
        raise RequestError(
            f"'{name}' must be a whole number from {_PRIORITIES[0]} to {_PRIORITIES[-1]}, "
            f"but is {str(value)[:40]}."
        )


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise RequestError(
            f"'{name}' must be a line of text of at most {_LONGEST_TEXT} characters."
        )


def _check_size(payload: Payload) -> None:
    try:
        size = len(_as_json(payload))
    except (TypeError, ValueError, RecursionError):
        raise RequestError("'payload' must be a JSON object.") from None
    if size > _LONGEST_PAYLOAD:
        raise RequestError(
            f"'payload' has {size} characters; at most {_LONGEST_PAYLOAD} are taken. Store large "
            "things as files and name them."
        )
