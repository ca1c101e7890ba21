"""Garbage: files that no record names any more, looked for in an order that spares what is needed.

A file is put first and named by a record later. So nothing young is taken, and nothing that was put
since the oldest unfinished job began: a job may hold files for hours before its record is written.
Files are listed before the records are read, and each age is looked at again at its removal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from engine.errors import LightboxError, RequestError
from engine.store.files import references, spooling
from engine.store.files.results import Garbage, StoredFile

if TYPE_CHECKING:
    from engine.store.files.files import Files
    from engine.store.store import Store

__all__ = ["collect"]

_FINISHED = frozenset({"completed", "failed", "cancelled"})


def collect(
    files: Files,
    store: Store,
    *,
    dry_run: bool,
    older_than_s: float,
    also_kept: Collection[str],
    tell: Callable[[float, str], None],
) -> Garbage:
    """Find the files that nothing names and, unless it is a dry run, remove them.

    Raises
    ------
    RequestError
        When ``older_than_s`` is negative.
    LightboxError
        When a collection is damaged: what it names is unknown, so nothing may go.
    """
    if not older_than_s >= 0:
        raise RequestError(f"older_than_s must be 0 or more, but is {older_than_s}.")
    limit, held_by = _limit(store, datetime.now(UTC) - timedelta(seconds=older_than_s))
    tell(0.0, "listing files")
    listed = list(files.list())
    tell(0.3, "reading records")
    unnamed = _unnamed(listed, store, also_kept)
    old = [file for file in unnamed if file.modified <= limit]
    removed = () if dry_run else _removed(files, old, store, also_kept, limit, tell)
    tell(1.0, "done")
    return Garbage(
        dry_run=dry_run,
        total=len(listed),
        unreferenced=tuple(old),
        size=sum(file.size for file in old),
        young=len(unnamed) - len(old),
        removed=len(removed),
        freed=sum(file.size for file in removed),
        leftovers=spooling.sweep(
            files.place.incoming, older_than_s=max(older_than_s, 3600), dry_run=dry_run
        ),
        older_than=limit,
        held_by_job=held_by,
    )


def _limit(store: Store, asked: datetime) -> tuple[datetime, str | None]:
    """Return the moment before which a file must have been put to go, and the job that holds it."""
    begun = [
        (job.created_at, job.id)
        for job in store.jobs.read().values()
        if job.state not in _FINISHED and job.started_at is not None
    ]
    earliest = min(begun, default=None)
    if earliest is None or earliest[0] >= asked:
        return asked, None
    return earliest


def _unnamed(
    listed: list[StoredFile], store: Store, also_kept: Collection[str]
) -> list[StoredFile]:
    damage = store.damage()
    if damage:
        raise LightboxError(
            "Files are removed only while all records can be read, but some are damaged: "
            f"{damage[0]}; run: lightbox store check, then lightbox store recover."
        )
    named = references.referenced(store.folder) | set(also_kept)
    return [file for file in listed if file.sha256 not in named]


def _removed(
    files: Files,
    old: list[StoredFile],
    store: Store,
    also_kept: Collection[str],
    limit: datetime,
    tell: Callable[[float, str], None],
) -> list[StoredFile]:
    # A long listing may have let records change: what they name now stays.
    still = _unnamed(old, store, also_kept)
    removed = []
    for number, file in enumerate(still):
        tell(0.5 + 0.5 * number / len(still), f"removing {number + 1} of {len(still)}")
        with files.place.telling(f"file {file.sha256}"):
            if files.place.remove_if_older(file.sha256, limit):
                removed.append(file)
    return removed
