"""A home with its people: accounts with a cheap bcrypt, sessions, tokens, audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from engine.people.accounts import Accounts
from engine.people.actors import SYSTEM, Actor, role_of
from engine.people.audit import AuditLog, open_audit
from engine.people.profiles import Profile
from engine.people.sessions import Sessions
from engine.people.tokens import Tokens
from engine.settings import Settings
from engine.store import Store, now
from engine.store.records import User

PASSWORD = "a lamp on the table"


class Clock:
    """The present moment, moved by hand."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def __call__(self) -> datetime:
        """Return the moment."""
        return now() + self.shift

    def seconds(self) -> float:
        """Return the moment in seconds."""
        return self().timestamp()

    def go_on(self, **by: float) -> None:
        """Let time pass: ``go_on(hours=1)``."""
        self.shift += timedelta(**by)


@dataclass
class People:
    """All that this package opens in one home."""

    settings: Settings
    store: Store
    audit: AuditLog
    accounts: Accounts
    sessions: Sessions
    tokens: Tokens
    clock: Clock

    def add(self, email: str, role: str = "ANNOTATOR", password: str = PASSWORD) -> User:
        """Make an account that has its password."""
        profile = Profile(name=email.partition("@")[0].title(), email=email)
        _, token = self.accounts.add(SYSTEM, profile, role=role)
        return self.accounts.use_one_time(token, password)

    def actor(self, user: User) -> Actor:
        """Return the actor that a request of ``user`` has."""
        return Actor(id=user.id, name=user.name, role=role_of(user.role), address="192.0.2.7")

    def reopened(self, **changes: object) -> People:
        """The same home as another process sees it, with other settings."""
        return open_people(replace(self.settings, **changes), self.clock)


def open_people(settings: Settings, clock: Clock) -> People:
    store = Store(settings.home / "records")
    audit = open_audit(settings)
    return People(
        settings=settings,
        store=store,
        audit=audit,
        accounts=Accounts(store, settings, audit, rounds=4, clock=clock),
        sessions=Sessions(store, settings, clock=clock),
        tokens=Tokens(store, settings),
        clock=clock,
    )


@pytest.fixture
def people(tmp_path: Path) -> People:
    """An empty home."""
    return open_people(Settings(home=tmp_path / "home", auth=True), Clock())


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., People]:
    """Open an empty home with settings of the test's own."""
    return lambda **values: open_people(Settings(home=tmp_path / "home", **values), Clock())
