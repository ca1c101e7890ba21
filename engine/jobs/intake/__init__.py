"""Work that comes from outside: messages of an SQS queue, each naming an S3 object and a task."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.jobs.intake.ledger import Round, intake_status
    from engine.jobs.intake.parking import Parked, parked
    from engine.jobs.intake.polling import Intake
    from engine.jobs.intake.running import start_intake

__all__ = ["Intake", "Parked", "Round", "intake_status", "parked", "start_intake"]

_HOMES = {
    "Intake": "polling",
    "Parked": "parking",
    "Round": "ledger",
    "intake_status": "ledger",
    "parked": "parking",
    "start_intake": "running",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 – whatever the name stands for
    """Open the module of a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
