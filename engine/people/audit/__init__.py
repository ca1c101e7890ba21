"""Who did what to which record: an append-only log whose lines are chained and sealed.

Each line carries the hash of the one before it, so that a changed, missing, moved or inserted line
is found; a seal made with a key outside the log, so that the whole chain cannot be written anew;
and an anchor beside the log remembers its end, so that a cut tail is found. What this cannot find:
a whole older copy of log, anchor and key put in place. Note the last hash elsewhere for that
(``lightbox audit verify --expect``).
"""

from __future__ import annotations

from engine.people.audit.filters import Filters
from engine.people.audit.lines import Entry
from engine.people.audit.log import AuditLog, open_audit
from engine.people.audit.reading import Page
from engine.people.audit.verification import AuditReport

__all__ = ["AuditLog", "AuditReport", "Entry", "Filters", "Page", "open_audit"]
