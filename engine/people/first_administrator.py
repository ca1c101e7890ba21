"""The first administrator of a server: from the settings, or through a one-time link."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from engine.errors import RequestError, SettingsError
from engine.people.actors import SYSTEM
from engine.people.audit import AuditLog
from engine.people.links import new_link
from engine.people.profiles import Profile
from engine.people.roster import can_administer, new_user
from engine.settings import Settings
from engine.store import Store, Transaction
from engine.store.records import User

__all__ = ["ensure"]


def ensure(
    store: Store, settings: Settings, audit: AuditLog, *, rounds: int, moment: datetime
) -> str | None:
    """Make an administrator when nobody is one who can sign in.

    With ``LIGHTBOX_ADMIN_EMAIL`` and ``LIGHTBOX_ADMIN_PASSWORD`` it can sign in at once and the
    answer is ``None``; else the answer is the token of a one-time link to print, and links of an
    earlier start hold no more.

    Raises
    ------
    SettingsError
        When e-mail or password of the settings cannot be used.
    """
    if any(can_administer(user) for user in store.users.read()):
        return None
    first = _from_settings(settings, rounds=rounds, moment=moment)
    token, link = new_link("first", moment=moment)
    with store.users.transaction() as users:
        if any(can_administer(user) for user in users.values()):
            return None  # another process was quicker
        known = _known(users, first)
        user = replace(known, email=first.email or known.email, updated_at=moment)
        if first.password_hash:
            user = replace(user, password_hash=first.password_hash, one_time=None)
        else:
            user = replace(user, one_time=link)
        users.put(user)
    text = "Made the first administrator"
    audit.write(SYSTEM, "users.manage", record=f"users/{user.id}", text=text)
    return None if first.password_hash else token


def _from_settings(settings: Settings, *, rounds: int, moment: datetime) -> User:
    email, password = settings.admin_email, settings.admin_password
    if password and not email:
        raise SettingsError(
            "LIGHTBOX_ADMIN_PASSWORD is set, but LIGHTBOX_ADMIN_EMAIL is not; set both, or "
            "neither to get a one-time link."
        )
    if not email:
        return User(name="Administrator", email="", role="ADMIN", created_at=moment)
    try:
        profile = Profile(name="Administrator", email=email)
        return new_user(profile, "ADMIN", password=password, rounds=rounds, moment=moment)
    except RequestError as error:
        raise SettingsError(
            f"LIGHTBOX_ADMIN_EMAIL and LIGHTBOX_ADMIN_PASSWORD cannot be used: {error}"
        ) from error


def _known(users: Transaction[User], first: User) -> User:
    """Return the administrator who lacks a password, else ``first``.

    Without an e-mail in the settings any of them will do, and keeps their own.
    """
    admins = [user for user in users.where(role="ADMIN") if not user.disabled]
    if not first.email:
        return admins[0] if admins else first
    for user in admins:
        if user.email in ("", first.email):
            return user
    if users.where(email=first.email):
        raise SettingsError(
            "LIGHTBOX_ADMIN_EMAIL belongs to an account that is no administrator or is disabled, "
            "and there is no other administrator; name another e-mail."
        )
    return first
