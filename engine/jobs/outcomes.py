"""How an attempt ended, as its own process writes it down before it goes.

It lies on the disk before the process ends: should the worker be killed in between, the next one
finds a finished job and does not do it again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, final, get_args

from engine.jobs.folders import JobFolder, read_json, write_json
from engine.store.records import ResultRef

__all__ = ["Ending", "Outcome", "read_outcome", "write_outcome"]

Ending = Literal["completed", "failed", "stopped"]
"""``stopped``: it was told to stop, and did so with its state saved."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one attempt; ``error`` is a sentence for people, ``message`` a closing one."""

    ending: Ending
    message: str = ""
    error_code: str = ""
    error: str = ""
    results: tuple[ResultRef, ...] = ()


def write_outcome(folder: JobFolder, attempt: int, outcome: Outcome) -> None:
    """Write it so that not even a power failure takes it back."""
    write_json(folder.outcome(attempt), asdict(outcome), durable=True)


def read_outcome(folder: JobFolder, attempt: int) -> Outcome | None:
    """Return how an attempt ended, ``None`` when its process did not live to tell."""
    document = read_json(folder.outcome(attempt))
    if document.get("ending") not in get_args(Ending):
        return None
    try:
        return Outcome(
            ending=document["ending"],
            message=str(document["message"]),
            error_code=str(document["error_code"]),
            error=str(document["error"]),
            results=tuple(ResultRef(**result) for result in document["results"]),
        )
    except (KeyError, TypeError):
        return None
