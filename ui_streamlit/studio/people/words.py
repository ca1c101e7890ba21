"""How people, their states and roles are put into words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, final

from engine.people.actors import Role
from engine.people.permissions import ACTIONS
from engine.store.records import User
from ui_streamlit.studio.pieces import Tone

__all__ = ["ROLES", "STATES", "State", "StateWord", "found", "gained", "state_of"]

State = Literal["waiting", "active", "invited", "disabled"]
"""waiting: to be let in; active: may sign in; invited: has no password; disabled: kept out."""

ROLES: Final[Mapping[Role, str]] = {
    "ADMIN": "runs this server: people, backups, settings, all jobs",
    "UPLOADER": "brings pictures and samples in",
    "ANNOTATOR": "marks pictures and cells, trains models",
    "REVIEWER": "marks, and approves what others marked",
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StateWord:
    """What a state is called, its tone and its picture (of the font on this server)."""

    label: str
    tone: Tone
    icon: str


STATES: Final[Mapping[State, StateWord]] = {
    "waiting": StateWord(label="Waits for you", tone="waiting", icon=":material/hourglass_top:"),
    "active": StateWord(label="Active", tone="good", icon=":material/check_circle:"),
    "invited": StateWord(label="No password yet", tone="busy", icon=":material/mail:"),
    "disabled": StateWord(label="Disabled", tone="quiet", icon=":material/block:"),
}


def state_of(user: User) -> State:
    """Return the one word that matters most about an account."""
    if user.disabled:
        return "disabled"
    if user.waiting:
        return "waiting"
    return "active" if user.password_hash else "invited"


def found(users: Iterable[User], *, words: str, state: State | None) -> tuple[User, ...]:
    """Return the people that match, those who wait first, then by name.

    Each of ``words`` must occur in name, e-mail, role, hospital or location.
    """
    wanted = words.casefold().split()
    matching = [
        user
        for user in users
        if (state is None or state_of(user) == state)
        and all(word in _text(user) for word in wanted)
    ]
    return tuple(sorted(matching, key=lambda user: (not user.waiting, user.name.casefold())))


def gained(role: Role, *, before: Role) -> tuple[str, ...]:
    """Return what somebody may do in ``role`` and could not do in the role ``before``."""
    return tuple(
        action.description
        for action in ACTIONS.values()
        if role in action.roles and before not in action.roles
    )


def _text(user: User) -> str:
    parts = (user.name, user.email, user.role, user.hospital, user.location)
    return " ".join(parts).casefold()
