"""Puts the records of a backup in the place of the present ones, all at once, under all locks.

What happened is not undone by going back: jobs and activities that the backup does not know stay,
the list of backups stays, and nobody who was signed out is signed in again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, final

from engine.backups.content import content_of
from engine.store import Snapshot, Store, Transaction
from engine.store.records import Session, User
from engine.store.several import several

__all__ = ["GROWING", "Lost", "compared", "door_of", "has_changed", "swap"]

GROWING = ("jobs", "activities")
"""Collections of what happened: a restore adds what is missing and takes nothing away."""

_OWN = "backups"
_NOTHING = content_of({})[1]
_PASSING = (*GROWING, "sessions", _OWN)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What a restore does to one collection: records that go, come back, or change back."""

    collection: str
    gone: int
    back: int
    changed: int


def compared(live: Store, saved: Store) -> tuple[Lost, ...]:
    """Return what a restore of ``saved`` would do, for the collections that it would change."""
    now, then = live.read(), saved.read()
    rows = [
        _row(name, now[name].lines, then[name].lines) for name in live.names if name not in _PASSING
    ]
    return tuple(row for row in rows if row.gone or row.back or row.changed)


def has_changed(live: Store, digests: Mapping[str, str]) -> bool:
    """Tell whether records that a restore would take away differ from those saved as ``digests``.

    It takes no locks: also right while a transaction holds all of them.
    """
    return any(
        content_of(live[name].read_locked().lines)[1] != digests.get(name, _NOTHING)
        for name in live.names
        if name not in _PASSING
    )


def swap(
    live: Store,
    saved: Store,
    *,
    damaged: Collection[str],
    at: datetime,
    just_before: Callable[[], None],
) -> None:
    """Make the records of ``saved`` the present ones; all of it happens or, killed, nothing.

    ``damaged`` collections are replaced whatever they were. ``just_before`` is called when no
    other writer can change anything any more; it may raise.
    """
    wanted = saved.read()
    names = [name for name in live.names if name != _OWN or name in damaged]
    with several({name: live[name] for name in names}, over_damage=True) as changes:
        just_before()
        for name in damaged:
            changes[name].replace({} if name == "sessions" else wanted[name].lines)
            changes[name].touch()
        untouched = _put_users(changes["users"], wanted["users"], at)
        if "sessions" not in damaged:
            _keep_sessions(changes["sessions"], untouched)
        for name in set(names).difference(damaged, ("users", "sessions")):
            if name in GROWING:
                _add_missing(changes[name], wanted[name])
            else:
                changes[name].replace(wanted[name].lines)


def _row(name: str, now: Mapping[str, bytes], then: Mapping[str, bytes]) -> Lost:
    both = now.keys() & then.keys()
    return Lost(
        collection=name,
        gone=len(now.keys() - both),
        back=len(then.keys() - both),
        changed=sum(now[key] != then[key] for key in both),
    )


def _add_missing(there: Transaction[Any], wanted: Snapshot[Any]) -> None:
    for record in wanted:
        if record.id not in there:
            there.put(record)


def _put_users(users: Transaction[User], wanted: Snapshot[User], at: datetime) -> set[str]:
    """Bring accounts back; returns the ids of those who may stay signed in.

    An older password or role closes all sign-ins: tokens of that time must not open again. Links
    that set a password once are not brought back either: they may have been used.
    """
    untouched = set()
    for record in users.values():
        if record.id not in wanted:
            users.remove(record.id)
    for record in wanted:
        live = users.get(record.id)
        if live is not None and door_of(live) == door_of(record):
            untouched.add(record.id)
            moment = live.tokens_valid_from
        else:
            moment = at
        one_time = None if live is None else live.one_time
        users.put(replace(record, tokens_valid_from=moment, one_time=one_time))
    return untouched


def door_of(user: User) -> tuple[object, ...]:
    """Return what decides how somebody gets in: sign-ins stay open while it is the same."""
    return user.password_hash, user.role, user.disabled, user.waiting


def _keep_sessions(sessions: Transaction[Session], untouched: set[str]) -> None:
    for session in sessions.values():
        if session.user_id not in untouched:
            sessions.remove(session.id)
