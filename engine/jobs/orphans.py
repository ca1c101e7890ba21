"""Processes that a job left behind: found by the mark that each carries, and ended.

The mark is a variable in the environment of the job's process, which everything that it starts
inherits; it holds nothing but the job's id.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import psutil

__all__ = ["MARK", "end_processes_of", "processes_of"]

MARK: Final = "LIGHTBOX_JOB_MARK"
"""Name of the variable."""


def processes_of(job_id: str) -> list[psutil.Process]:
    """Return the living processes of this user that carry the mark of a job."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == job_id:
                found.append(process)
    return found


def end_processes_of(job_id: str, *, timeout_s: float = 5.0) -> int:
    """End them at once and wait until they are gone; return how many there were."""
    found = processes_of(job_id)
    for process in found:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=timeout_s)
    return len(found)
