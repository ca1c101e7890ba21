"""What Lightbox remembers: records in TinyDB files, changed in transactions only.

A collection is one file. Readers get a version that never changes; a writer holds a lock, changes,
and the new version replaces the old one in one step. The locks work among threads and processes of
one machine; they are **not reliable on network drives**, so the folder belongs on a local disk.
"""

from __future__ import annotations

from engine.store.collections import Collection
from engine.store.identity import new_id, now
from engine.store.recovery import Damage, Recovery
from engine.store.several import Several
from engine.store.snapshots import Snapshot
from engine.store.store import Store
from engine.store.transactions import Transaction

__all__ = [
    "Collection",
    "Damage",
    "Recovery",
    "Several",
    "Snapshot",
    "Store",
    "Transaction",
    "new_id",
    "now",
]
