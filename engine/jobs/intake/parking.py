"""Where messages go that never work: out of the way, with the reason, and never lost.

To the queue of ``LIGHTBOX_SQS_PARKING_URL``, else into HOME/intake/parked, a file for each. Send
the body to the intake's queue again to try once more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, final

import orjson

from engine.errors import StoreError
from engine.jobs.folders import read_json
from engine.store import now
from engine.store.disk import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from engine.jobs.intake.queueing import Message, MessageQueue
    from engine.settings import Settings

__all__ = ["Parked", "park", "parked"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """One message in the folder; its body stays in the file."""

    message_id: str
    reason: str
    parked_at: datetime
    path: Path


def park(message: Message, reason: str, settings: Settings, queue: MessageQueue) -> None:
    """Put a copy of the message aside; only when this returns may the message be deleted.

    Raises
    ------
    RemoteError, NotFoundError
        When the parking queue does not take it.
    StoreError, DiskShortError
        When the folder does not.
    """
    if settings.sqs_parking_url:
        queue.send_to(settings.sqs_parking_url, message.body, reason)
        return
    folder = _folder(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"Expected a folder for parked messages at {folder}, but it cannot be made "
            f"({error.strerror}); make HOME writable for the server."
        ) from error
    document = {
        "message_id": message.id,
        "reason": reason,
        "parked_at": now().isoformat(),
        "body": message.body,
    }
    # The id is the service's word: as a name it might lead elsewhere.
    name = hashlib.sha256(message.id.encode()).hexdigest()[:32]
    write_whole(folder / f"{name}.json", orjson.dumps(document, option=orjson.OPT_INDENT_2))


def parked(settings: Settings) -> tuple[Parked, ...]:
    """Return what lies in the folder, the latest first."""
    found = []
    for path in _folder(settings).glob("*.json"):
        row = read_json(path)
        if "message_id" in row:
            found.append(
                Parked(
                    message_id=str(row["message_id"]),
                    reason=str(row["reason"]),
                    parked_at=datetime.fromisoformat(row["parked_at"]),
                    path=path,
                )
            )
    return tuple(sorted(found, key=lambda one: one.parked_at, reverse=True))


def _folder(settings: Settings) -> Path:
    return settings.home / "intake" / "parked"
