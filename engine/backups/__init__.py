"""Backups: a snapshot of records, audit log and stored files in one checked archive, and back.

An archive is called good only after it was restored into a scratch home, opened with the real
store, counted and compared. Who may do this is decided by who calls.
"""

from __future__ import annotations

from engine.backups.activity import Activity
from engine.backups.backups import BY_HAND, INTERVAL, Backups
from engine.backups.history import referenced_files
from engine.backups.migrating import keep_before_migration
from engine.backups.restorer import Preview, Restored
from engine.backups.stopping import Running
from engine.backups.swapping import Lost

__all__ = [
    "BY_HAND",
    "INTERVAL",
    "Activity",
    "Backups",
    "Lost",
    "Preview",
    "Restored",
    "Running",
    "keep_before_migration",
    "referenced_files",
]
