"""Which backups may go: a rule on dates alone, so that it can be checked with a pencil.

Kept are the last good one of each of the newest N days and M weeks that have one, the last good
one of all, the last good one of each reason that somebody may want to go back to (by hand, before
a migration, before a restore), and everything younger than a day. Days and weeks are UTC's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from engine.store.records import BackupRecord

__all__ = ["prunable"]

_YOUNG: Final = timedelta(days=1)
_RETURNED_TO: Final = ("by hand", "before migration", "before restore")
_FAILURES_TOLD: Final = 20
"""How many backups that failed without leaving a file the history remembers."""


def prunable(
    records: Iterable[BackupRecord], *, at: datetime, daily: int, weekly: int
) -> tuple[BackupRecord, ...]:
    """Return what may be removed, oldest first; never the last good one.

    A bad one goes once it is older than a day and a good one is newer.
    """
    newest_first = sorted(records, key=lambda record: record.created_at, reverse=True)
    good = [record for record in newest_first if record.state == "good"]
    kept = {record.id for record in newest_first if at - record.created_at < _YOUNG}
    kept |= {record.id for record in newest_first if record.state in ("making", "rehearsing")}
    kept |= {record.id for record in good[:1]}
    kept |= _last_of_each(good, lambda record: record.created_at.date(), daily)
    kept |= _last_of_each(good, lambda record: record.created_at.isocalendar()[:2], weekly)
    special = [record for record in good if record.reason in _RETURNED_TO]
    kept |= _last_of_each(special, lambda record: record.reason, len(_RETURNED_TO))
    kept |= _bad_kept(newest_first, good)
    return tuple(record for record in reversed(newest_first) if record.id not in kept)


def _last_of_each(
    newest_first: Sequence[BackupRecord], group_of: Callable[[BackupRecord], object], most: int
) -> set[str]:
    """Return the newest of each group, for the ``most`` newest groups."""
    found: dict[object, str] = {}
    for record in newest_first:
        if len(found) == most and group_of(record) not in found:
            break
        found.setdefault(group_of(record), record.id)
    return set(found.values()) if most else set()


def _bad_kept(newest_first: Sequence[BackupRecord], good: Sequence[BackupRecord]) -> set[str]:
    bad = [record for record in newest_first if record.state == "bad"]
    # Damaged is better than nothing, as long as nothing newer is good.
    kept = {record.id for record in bad if not good or record.created_at > good[0].created_at}
    told = [record for record in bad if not record.file]
    return kept | {record.id for record in told[:_FAILURES_TOLD]}
