"""Long work that outlives the tab, the server and the machine.

A job is a record in the store; a worker claims it and runs its task in a process of its own. The
names below open their module on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.jobs.context import JobContext
    from engine.jobs.presence import WorkerSeen, workers_seen
    from engine.jobs.queue import Queue
    from engine.jobs.supervisor import Supervisor
    from engine.jobs.task import Need, Task
    from engine.jobs.tasks import TASKS
    from engine.jobs.worker import Worker

__all__ = [
    "TASKS",
    "JobContext",
    "Need",
    "Queue",
    "Supervisor",
    "Task",
    "Worker",
    "WorkerSeen",
    "workers_seen",
]

_HOMES = {
    "TASKS": "tasks",
    "JobContext": "context",
    "Need": "task",
    "Queue": "queue",
    "Supervisor": "supervisor",
    "Task": "task",
    "Worker": "worker",
    "WorkerSeen": "presence",
    "workers_seen": "presence",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 – whatever the name stands for
    """Open the module of a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
