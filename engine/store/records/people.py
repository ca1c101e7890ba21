"""Accounts, sign-ins and what people did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, final

from engine.store.documents import EMPTY
from engine.store.identity import now
from engine.store.records.base import Record

__all__ = ["Activity", "OneTimeLink", "Role", "Session", "User"]

Role = Literal["ADMIN", "UPLOADER", "ANNOTATOR", "REVIEWER"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeLink:
    """A link that sets a password once: only the hash of its token is kept."""

    token_hash: str = field(repr=False)
    purpose: Literal["first", "reset"]
    expires_at: datetime


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class User(Record):
    """An account. ``password_hash`` is empty until a password was set.

    ``waiting``: registered by themselves, and no administrator has let them in yet. Tokens and
    sessions older than ``tokens_valid_from`` are refused.
    """

    name: str = field(repr=False)
    email: str = field(repr=False)
    password_hash: str = field(default="", repr=False)
    role: Role
    hospital: str = ""
    location: str = ""
    disabled: bool = False
    waiting: bool = False
    password_changed_at: datetime | None = None
    tokens_valid_from: datetime | None = None
    last_sign_in_at: datetime | None = None
    one_time: OneTimeLink | None = None
    updated_at: datetime = field(default_factory=now)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Session(Record):
    """One browser that signed in; only the hash of its token is kept."""

    user_id: str
    token_hash: str = field(repr=False)
    expires_at: datetime
    last_seen_at: datetime | None = None
    closed_at: datetime | None = None
    address: str = ""
    agent: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Activity(Record):
    """Something a person did, as a client reported it (``UserActivityLog``)."""

    user_id: str
    activity_type: str
    description: str = ""
    metadata: Mapping[str, Any] = field(default=EMPTY, hash=False)
