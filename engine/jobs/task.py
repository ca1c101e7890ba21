"""What kinds of work there are: a task's name, what runs, what it needs, who may ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from engine.settings import Settings

__all__ = ["NO_PAYLOAD", "Need", "Payload", "Task", "no_payload", "small_need"]

Payload = Mapping[str, Any]
NO_PAYLOAD: Payload = {}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a job takes at its peak: memory and graphics memory in MB, processor cores."""

    memory_mb: float = 200.0
    cores: int = 1
    gpu_mb: float = 0.0


def small_need(payload: Payload, settings: Settings) -> Need:  # noqa: ARG001 – a forecast's form
    """Return what a task needs that holds one picture at a time."""
    return Need()


def no_payload(payload: Payload) -> dict[str, Any]:
    """Return an empty payload.

    Raises
    ------
    RequestError
        When the caller sent anything.
    """
    from engine.errors import RequestError

    if payload:
        raise RequestError(
            f"This task takes no fields, but {', '.join(map(repr, sorted(payload)))} came; "
            "send none."
        )
    return {}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One kind of job.

    ``run`` is ``"module:function"``, imported in the job's own process only; the function gets a
    :class:`engine.jobs.context.JobContext` and may return a closing sentence. ``check`` makes a
    complete payload of what a caller sent, or raises
    :class:`~engine.errors.RequestError`. ``forecast`` tells what the job will need.

    A ``resumable`` task finds in its context's folder what an earlier attempt left there; the
    folder of any other is emptied before each attempt. ``silence_s`` is the longest time without a
    report after which the job counts as hanging. ``action`` is what an actor must be allowed to do
    to ask for it (:mod:`engine.people.permissions`).
    """

    name: str
    title: str
    description: str
    run: str
    action: str
    check: Callable[[Payload], dict[str, Any]] = no_payload
    forecast: Callable[[Payload, Settings], Need] = field(default=small_need)
    resumable: bool = False
    max_attempts: int = 3
    silence_s: float = 600.0
