"""Why pending jobs do not start: sentences that the worker leaves for whoever looks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.jobs.folders import jobs_home, read_json, write_json

if TYPE_CHECKING:
    from engine.settings import Settings

__all__ = ["read_waiting", "write_waiting"]


def read_waiting(settings: Settings) -> dict[str, str]:
    """Return a sentence for each job that waits for something, by its id."""
    found = read_json(jobs_home(settings) / "waiting.json")
    return {job: text for job, text in found.items() if isinstance(text, str)}


def write_waiting(settings: Settings, waiting: Mapping[str, str]) -> None:
    """Replace the sentences, if they changed; a full disk is no reason to stop work."""
    if read_waiting(settings) == waiting:
        return
    with suppress(OSError):
        jobs_home(settings).mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(jobs_home(settings) / "waiting.json", dict(waiting))
