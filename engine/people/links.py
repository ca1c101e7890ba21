"""Links that set a password once: for the first administrator, for new people, after a reset."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

from engine.store.records import OneTimeLink, User

__all__ = ["new_link", "owner_of"]

_HOLDS: Final = timedelta(hours=24)


def new_link(purpose: Literal["first", "reset"], *, moment: datetime) -> tuple[str, OneTimeLink]:
    """Return the token for the link (43 characters) and what to keep of it: its hash, for 24 h."""
    token = secrets.token_urlsafe(32)
    link = OneTimeLink(token_hash=_hash_of(token), purpose=purpose, expires_at=moment + _HOLDS)
    return token, link


def owner_of(token: str, users: Iterable[User], *, moment: datetime) -> User | None:
    """Return the account whose link has this token and still holds."""
    digest, found = _hash_of(token[:200]), None
    for user in users:
        if user.one_time and hmac.compare_digest(user.one_time.token_hash, digest):
            found = user
    if found is None or found.one_time is None or found.one_time.expires_at <= moment:
        return None
    return found


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
