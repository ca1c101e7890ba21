"""Garbage: files that no record names any more, looked for in an order that spares what is needed.

A file is put first and named by a record later. So nothing young is taken, and nothing that was put
since the oldest unfinished job began: a job may hold files for hours before its record is written.
Files are listed before the records are read, and each age is looked at again at its removal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from engine.errors import RequestError
from engine.store.files import references, spooling
from engine.store.files.results import Garbage, StoredFile

if TYPE_CHECKING:
    from engine.store.files.files import Files
    from engine.store.store import Store

__all__ = ["Kept", "collect"]

# From so many files on, it is strange that not one of them is named.
_MANY: Final = 20
_FINISHED: Final = frozenset({"completed", "failed", "cancelled"})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """All that may name files: the records, names given outright, and folders of JSON files."""

    store: Store
    names: Collection[str] = ()
    folders: Collection[Path] = ()

    def unnamed(self, listed: Collection[StoredFile]) -> list[StoredFile]:
        """Return the files that nothing names now.

        Raises
        ------
        DamagedStoreError
            When a collection cannot be read.
        """
        for name in self.store.names:
            self.store[name].read()  # what a damaged one names is unknown: raises
        named = references.in_records(self.store.folder).union(self.names)
        for folder in self.folders:
            named |= references.in_json_files(folder)
        return [file for file in listed if file.sha256 not in named]


def collect(
    files: Files,
    *,
    kept: Kept,
    dry_run: bool,
    older_than_s: float,
    everything: bool,
    tell: Callable[[float, str], None],
) -> Garbage:
    """Find the files that nothing names and, unless it is a dry run, remove them.

    Raises
    ------
    RequestError
        When ``older_than_s`` is negative, or all of many files would go without ``everything``.
    DamagedStoreError
        When a collection cannot be read: what it names is unknown, so nothing may go.
    """
    if not 0 <= older_than_s < float("inf"):
        raise RequestError(f"older_than_s must be 0 or more, but is {older_than_s}.")
    limit, held_by = _limit(kept.store, datetime.now(UTC) - timedelta(seconds=older_than_s))
    tell(0.0, "listing files")
    listed = list(files.list())
    tell(0.3, "reading records")
    unnamed = kept.unnamed(listed)
    old = [file for file in unnamed if file.modified <= limit]
    if len(old) == len(listed) >= _MANY and not (dry_run or everything):
        raise RequestError(
            f"No record names any of the {len(listed)} files in {files.place.address}: these "
            "records may be new, lost or another server's. Restore the records, or ask for "
            "everything to be removed."
        )
    # A long listing may have let records change: what they name now stays.
    removed = [] if dry_run else _removed(files, kept.unnamed(old), limit, tell)
    leftovers = spooling.sweep(
        files.place.incoming, older_than_s=max(older_than_s, 3600), dry_run=dry_run
    )
    tell(1.0, "done")
    return Garbage(
        dry_run=dry_run,
        total=len(listed),
        unreferenced=tuple(old),
        size=sum(file.size for file in old),
        young=len(unnamed) - len(old),
        removed=len(removed),
        freed=sum(file.size for file in removed),
        leftovers=leftovers,
        older_than=limit,
        held_by_job=held_by,
    )


def _limit(store: Store, asked: datetime) -> tuple[datetime, str | None]:
    """Return the moment before which a file must have been put to go, and the job that holds it."""
    begun = [
        (job.created_at, job.id)
        for job in store.jobs.read()
        if job.state not in _FINISHED and job.started_at is not None
    ]
    earliest = min(begun, default=None)
    if earliest is None or earliest[0] >= asked:
        return asked, None
    return earliest


def _removed(
    files: Files,
    old: list[StoredFile],
    limit: datetime,
    tell: Callable[[float, str], None],
) -> list[StoredFile]:
    removed = []
    for number, file in enumerate(old):
        tell(0.5 + 0.5 * number / len(old), f"removing {number + 1} of {len(old)}")
        with files.place.telling(f"file {file.sha256}"):
            if files.place.remove_if_older(file.sha256, limit):
                removed.append(file)
    return removed
