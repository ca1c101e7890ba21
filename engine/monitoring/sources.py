"""What monitoring looks at; each part is opened only when it is asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from engine.settings import Settings

if TYPE_CHECKING:
    from engine.backups import Backups
    from engine.jobs.queue import Queue
    from engine.people.audit import AuditLog
    from engine.store import Store
    from engine.store.files import Files

__all__ = ["Sources"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The parts of a server; calling one may raise what opening it raises."""

    settings: Settings
    store: Callable[[], Store]
    files: Callable[[], Files]
    queue: Callable[[], Queue]
    backups: Callable[[], Backups]
    audit: Callable[[], AuditLog]
