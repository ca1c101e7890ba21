"""What may be done to a person; each is asked first, with what will be lost."""

from __future__ import annotations

import streamlit as st

from engine.people.actors import Role
from engine.store.records import User
from ui_streamlit.studio import wording
from ui_streamlit.studio.dialogs import Question, ask
from ui_streamlit.studio.people.links import keep_link
from ui_streamlit.studio.people.words import gained, state_of
from ui_streamlit.studio.visits import Visit
from ui_streamlit.studio.wording import plain

__all__ = ["ask_role", "buttons"]

_MANAGE = "users.manage"


def buttons(here: Visit, user: User, *, key: str) -> None:
    """Draw the buttons that make sense for ``user``."""
    state = state_of(user)
    with st.container(horizontal=True):
        if state == "waiting" and _button("Let in", "how_to_reg", user, key, primary=True):
            _ask_enable(user)
        if state == "waiting" and _button("Refuse", "person_off", user, key):
            _ask_remove(here, user)
        if state == "disabled" and _button("Enable", "person_check", user, key):
            _ask_enable(user)
        if state in ("active", "invited"):
            label = "Reset password" if state == "active" else "New link"
            if _button(label, "key", user, key):
                _ask_reset(here, user)
            if _button("Disable", "block", user, key):
                _ask_disable(here, user)
        if _sessions(here, user) and _button("Sign out everywhere", "logout", user, key):
            _ask_sign_out(here, user)
        if state != "waiting" and _button("Delete", "delete", user, key):
            _ask_remove(here, user)


def ask_role(user: User, role: Role) -> None:
    """Ask before somebody may do more, or less."""
    more = gained(role, before=user.role)
    text = f"{plain(user.name)} may then {_listed(more)}." if more else "Nothing is added."
    ask(
        Question(
            title=f"Make {plain(user.name)} {role}?",
            text=f"{text} It counts at once, in every open tab.",
            lost=tuple(f"May no longer {what}" for what in gained(user.role, before=role)),
            button=f"Make {role}",
            action=_MANAGE,
            act=lambda there: _set_role(there, user, role),
        )
    )


def _ask_enable(user: User) -> None:
    ask(
        Question(
            title=f"Let {plain(user.name)} in?",
            text=f"{plain(user.name)} ({plain(user.email)}) can then sign in as {user.role}.",
            button="Let in",
            action=_MANAGE,
            act=lambda there: _enable(there, user),
        )
    )


def _ask_disable(here: Visit, user: User) -> None:
    ask(
        Question(
            title=f"Disable {plain(user.name)}?",
            text="Nobody can sign in with this account until you enable it again.",
            lost=(*_open_sessions(here, user), "Tokens for the API that were given out"),
            button="Disable",
            action=_MANAGE,
            act=lambda there: _disable(there, user),
        )
    )


def _ask_reset(here: Visit, user: User) -> None:
    lost = ["The present password, at once"] if user.password_hash else []
    ask(
        Question(
            title=f"New link for {plain(user.name)}?",
            text="You get a link to pass on; whoever opens it sets the new password.",
            lost=(*lost, "Links that were made before", *_open_sessions(here, user)),
            button="Make the link",
            action=_MANAGE,
            act=lambda there: _reset(there, user),
        )
    )


def _ask_sign_out(here: Visit, user: User) -> None:
    ask(
        Question(
            title=f"Sign {plain(user.name)} out everywhere?",
            text="The password stays; signing in again is possible at once.",
            lost=(*_open_sessions(here, user), "Tokens for the API that were given out"),
            button="Sign out everywhere",
            action=_MANAGE,
            act=lambda there: _sign_out(there, user),
        )
    )


def _ask_remove(here: Visit, user: User) -> None:
    ask(
        Question(
            title=f"Delete {plain(user.name)}?",
            text="What this person made stays, and the audit log keeps the name. To keep somebody "
            "out for a while, disable the account instead.",
            lost=("The account with its e-mail and role", *_open_sessions(here, user)),
            button="Delete the account",
            typed="" if user.waiting else "DELETE",
            action=_MANAGE,
            act=lambda there: _remove(there, user),
        )
    )


def _set_role(there: Visit, user: User, role: Role) -> str:
    there.workbench.accounts.set_role(there.actor, user.id, role)
    return f"{plain(user.name)} is {role} now."


def _enable(there: Visit, user: User) -> str:
    there.workbench.accounts.enable(there.actor, user.id)
    return f"{plain(user.name)} can sign in."


def _disable(there: Visit, user: User) -> str:
    there.workbench.accounts.disable(there.actor, user.id)
    return f"{plain(user.name)} is kept out."


def _reset(there: Visit, user: User) -> str:
    token = there.workbench.accounts.reset_password(there.actor, user.id)
    keep_link(there, user.name, token)
    return "The link is on the page; pass it on."


def _sign_out(there: Visit, user: User) -> str:
    there.workbench.accounts.sign_out_everywhere(there.actor, user.id)
    return f"{plain(user.name)} is signed out everywhere."


def _remove(there: Visit, user: User) -> str:
    there.workbench.accounts.remove(there.actor, user.id)
    st.query_params.pop("user", None)
    return f"The account of {plain(user.name)} was deleted."


def _button(label: str, icon: str, user: User, key: str, *, primary: bool = False) -> bool:
    return st.button(
        label,
        icon=f":material/{icon}:",
        key=f"{key}-{label}-{user.id}",
        type="primary" if primary else "secondary",
    )


def _sessions(here: Visit, user: User) -> int:
    return len(here.workbench.sessions.of_user(user.id))


def _open_sessions(here: Visit, user: User) -> tuple[str, ...]:
    number = _sessions(here, user)
    if not number:
        return ()
    whose = " (one of them is yours)" if user.id == here.actor.id else ""
    return (f"{wording.count(number, 'open session')}{whose}",)


def _listed(parts: tuple[str, ...]) -> str:
    """Write some of them, and how many more there are.

    >>> _listed(("see", "draw")), _listed(("a", "b", "c", "d", "e", "f"))
    ('see and draw', 'a, b, c, d and 2 more')
    """
    if len(parts) > 5:
        return f"{', '.join(parts[:4])} and {len(parts) - 4} more"
    return " and ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else parts[0]
