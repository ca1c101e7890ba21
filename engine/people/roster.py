"""Rules about accounts that hold inside a transaction, and the sentences when they do not."""

from __future__ import annotations

from datetime import datetime

from engine.errors import NotAllowedError, NotFoundError, RequestError
from engine.people import passwords
from engine.people.actors import Actor, Role, role_of
from engine.people.profiles import Profile, checked
from engine.store import Transaction
from engine.store.records import Session, User

__all__ = [
    "can_administer",
    "end_sessions",
    "found",
    "new_user",
    "person",
    "require_another_administrator",
    "taken",
    "unknown",
]


def new_user(profile: Profile, role: Role, *, password: str, rounds: int, moment: datetime) -> User:
    """Return the record of a new account; without a password when ``password`` is empty.

    Raises
    ------
    RequestError
        When a field or the password cannot be used.
    """
    kept = checked(profile)
    digest = ""
    if password:
        passwords.check_rules(password, email=kept.email, name=kept.name)
        digest = passwords.hashed(password, rounds=rounds)
    return User(
        name=kept.name,
        email=kept.email,
        password_hash=digest,
        role=role,
        hospital=kept.hospital,
        location=kept.location,
        created_at=moment,
        updated_at=moment,
        password_changed_at=moment if password else None,
    )


def person(user: User, address: str) -> Actor:
    """Return ``user`` as the one who acts, whether let in or not: for the log."""
    return Actor(id=user.id, name=user.name, role=role_of(user.role), address=address)


def found(users: Transaction[User], user_id: str) -> User:
    """Return the account with that id.

    Raises
    ------
    NotFoundError
        When there is none.
    """
    user = users.get(user_id)
    if user is None:
        raise unknown(user_id)
    return user


def unknown(user_id: str) -> NotFoundError:
    """Return the error for an id that no account has."""
    return NotFoundError(
        f"There is no account with the id {user_id[:40]!r}; it may have been deleted."
    )


def taken() -> RequestError:
    """Return the error for an e-mail that another account has."""
    return RequestError("'email' has an account already; sign in with it, or ask for a reset.")


def can_administer(user: User) -> bool:
    """Say whether ``user`` is an administrator who can sign in."""
    is_let_in = not (user.disabled or user.waiting)
    return user.role == "ADMIN" and is_let_in and bool(user.password_hash)


def require_another_administrator(users: Transaction[User], user: User, what: str) -> None:
    """Refuse what would leave a server that nobody can administer.

    Raises
    ------
    NotAllowedError
        When ``user`` is the last administrator who can sign in.
    """
    others = (other for other in users.values() if other.id != user.id)
    if user.role == "ADMIN" and not any(can_administer(other) for other in others):
        raise NotAllowedError(
            f"The last administrator cannot {what}: nobody could manage this server any more. "
            "Make somebody else an administrator first, who has set a password."
        )


def end_sessions(sessions: Transaction[Session], user_id: str) -> None:
    """Remove all sessions of an account."""
    for session in sessions.where(user_id=user_id):
        sessions.remove(session.id)
