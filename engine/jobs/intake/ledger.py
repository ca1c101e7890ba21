"""What the intake did: a note in HOME/intake/state.json that the server and its pages read."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

from engine.errors import LightboxError
from engine.jobs.folders import read_json, write_json
from engine.jobs.intake.parking import parked
from engine.store import now

if TYPE_CHECKING:
    from pathlib import Path

    from engine.settings import Settings

__all__ = ["Ledger", "Round", "intake_status"]

_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round of the intake did, in messages; ``held`` are those whose jobs still work.

    ``submitted`` and ``failed`` count jobs.
    """

    received: int = 0
    submitted: int = 0
    completed: int = 0
    failed: int = 0
    parked: int = 0
    held: int = 0


@final
class Ledger:
    """Adds up the rounds of one reader; belongs to one thread."""

    def __init__(self, settings: Settings) -> None:
        self._path = _path(settings)
        self._sums: Counter[str] = Counter()
        self._held = 0

    def note(self, done: Round) -> None:
        """Add a round."""
        row = asdict(done)
        self._held = row.pop("held")
        self._sums.update(row)
        self._write("")

    def note_error(self, error: LightboxError | OSError) -> None:
        """Log and remember why a round did not succeed."""
        text = str(error) if isinstance(error, LightboxError) else repr(error)
        _log.error("intake: %s", text)
        self._write(text)

    def _write(self, error: str) -> None:
        document = {
            "at": now().isoformat(),
            "error": error,
            "held": self._held,
            **{name: self._sums[name] for name in Round.__dataclass_fields__ if name != "held"},
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_json(self._path, document)
        except OSError as problem:  # a full disk stops jobs, not the reading of messages
            _log.warning("%s cannot be written (%s)", self._path, problem.strerror)


def intake_status(settings: Settings) -> dict[str, Any]:
    """Return what the worker's intake did since its start, for JSON; ``at`` is its last round."""
    waiting = parked(settings)
    return {
        "configured": bool(settings.sqs_queue_url),
        **({"at": None, "error": ""} | read_json(_path(settings))),
        "parked_files": [
            {"message_id": one.message_id, "reason": one.reason, "at": one.parked_at.isoformat()}
            for one in waiting[:100]
        ],
    }


def _path(settings: Settings) -> Path:
    return settings.home / "intake" / "state.json"
