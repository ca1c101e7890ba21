"""Which backups go: checked against calendars that a reader can count on the fingers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.backups.retention import prunable
from engine.store.records import BackupRecord

NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)  # a Friday in ISO week 47


def backup(age_days: float, *, state: str = "good", reason: str = "interval") -> BackupRecord:
    made = NOW - timedelta(days=age_days)
    return BackupRecord(
        id=f"b{age_days:07.2f}{state}",
        created_at=made,
        state=state,  # type: ignore[arg-type]  # a name of a state
        reason=reason,
        file="x.zip",
    )


def ages_kept(records: list[BackupRecord], *, daily: int, weekly: int) -> list[float]:
    gone = {record.id for record in prunable(records, at=NOW, daily=daily, weekly=weekly)}
    left = [record for record in records if record.id not in gone]
    return sorted((NOW - record.created_at) / timedelta(days=1) for record in left)


def test_days_then_weeks() -> None:
    """Of one backup a day over five weeks: three days, then the last one of each of two weeks.

    Friday the 20th is in week 47 (from Monday the 16th), so the weeks' last ones are 0 and 5 days
    old; those of the last three days are 0, 1 and 2 days old.
    """
    daily = [backup(age) for age in range(35)]
    assert ages_kept(daily, daily=3, weekly=2) == [0, 1, 2, 5]


def test_only_the_last_of_a_day_counts() -> None:
    """Of several on one day that is over, the last one stays."""
    hours = [backup(0), *(backup(2 + hour / 24) for hour in range(10))]
    assert ages_kept(hours, daily=2, weekly=0) == [0, 2]


def test_the_last_good_one_always_stays() -> None:
    """Keep nothing by the calendar, and the newest good one stays, however old."""
    assert ages_kept([backup(400), backup(500)], daily=0, weekly=0) == [400]


def test_days_without_backups_do_not_use_up_the_days() -> None:
    """After a month of standstill, the days before it are the newest that have backups."""
    assert ages_kept([backup(a) for a in (30, 31, 32, 33)], daily=3, weekly=0) == [30, 31, 32]


def test_the_young_stay() -> None:
    """What is younger than a day stays even when there are many."""
    hours = [backup(hour / 24) for hour in range(24)]
    assert len(ages_kept(hours, daily=1, weekly=0)) == 24


@pytest.mark.parametrize("reason", ["by hand", "before migration", "before restore"])
def test_ways_back_stay(reason: str) -> None:
    """The last good one by hand, before a migration and before a restore is a way back."""
    records = [backup(2), backup(90, reason=reason), backup(91, reason=reason)]
    assert ages_kept(records, daily=1, weekly=0) == [2, 90]


def test_a_bad_one_is_never_taken_for_good() -> None:
    """A bad one does not count as a day's last; it goes when a newer good one exists."""
    records = [backup(2, state="bad"), backup(3), backup(4, state="bad")]
    assert ages_kept(records, daily=1, weekly=0) == [2, 3]


def test_a_bad_one_is_better_than_nothing() -> None:
    """Without any good one, damaged ones stay: something may be saved from them."""
    assert ages_kept([backup(9, state="bad")], daily=0, weekly=0) == [9]


def test_what_is_being_made_stays() -> None:
    """A backup that is being made or rehearsed is left alone."""
    records = [backup(2), backup(5, state="making"), backup(6, state="rehearsing")]
    assert ages_kept(records, daily=1, weekly=0) == [2, 5, 6]
