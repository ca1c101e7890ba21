"""The names of those who started jobs."""

from __future__ import annotations

from engine.people.actors import SYSTEM, VISITOR
from ui_streamlit.studio.visits import Visit

__all__ = ["name_of"]


def name_of(here: Visit, actor_id: str) -> str:
    """Return what to call the one with that id: "you", a colleague's name, or the server."""
    if actor_id == here.actor.id:
        return "you"
    for known in (SYSTEM, VISITOR):
        if actor_id == known.id:
            return known.name
    user = here.workbench.store.users.read().get(actor_id) if actor_id else None
    return user.name if user is not None else "somebody who has left"
