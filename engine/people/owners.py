"""From an account to the actor that it makes, if it may act at all."""

from __future__ import annotations

from engine.people.actors import Actor, role_of
from engine.store.records import User

__all__ = ["actor_for", "standing"]


def actor_for(user: User, *, address: str) -> Actor | None:
    """Return the actor; ``None`` for an account that is disabled or waits to be let in."""
    if user.disabled or user.waiting:
        return None
    return Actor(id=user.id, name=user.name, role=role_of(user.role), address=address)


def standing(user: User) -> str:
    """Return a mark that changes whenever all tokens and sessions of ``user`` must end."""
    return user.tokens_valid_from.isoformat() if user.tokens_valid_from else ""
