"""One person: who, since when, signed in where, what was done lately, and what may be done."""

from __future__ import annotations

from html import escape
from typing import Final

import streamlit as st

from engine.people.audit import Filters
from engine.people.profiles import Profile
from engine.store.records import User
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.audit.lines import draw_entry, names_of
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.people import actions
from ui_streamlit.studio.people.words import ROLES, STATES, state_of
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit, visit

__all__ = ["draw_person"]

_LATELY: Final = 8


def draw_person(here: Visit, user_id: str) -> None:
    """Draw the account with that id."""
    user = next((user for user in here.workbench.accounts.all() if user.id == user_id), None)
    if user is None:
        empty(
            "This account is not here",
            "It was deleted, or the link is wrong. The list has all that there are.",
            icon=":material/search_off:",
        )
        return
    with card("person"):
        _draw_head(here, user)
        if here.may("users.manage"):
            actions.buttons(here, user, key="person")
    if here.may("users.manage"):
        _draw_role(user)
        _draw_form(user)
    _draw_sessions(here, user)
    if here.may("audit.view"):
        _draw_lately(here, user)


def _draw_head(here: Visit, user: User) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        you = " (you)" if user.id == here.actor.id else ""
        st.subheader(f"{wording.plain(user.name)}{you}", anchor=False, width="content")
        word = STATES[state_of(user)]
        chip(word.label, word.tone, icon=word.icon)
    facts = [
        ("E-mail", user.email or "none yet"),
        ("Role", user.role.capitalize()),
        ("Hospital", user.hospital or "–"),
        ("Location", user.location or "–"),
        ("Account since", wording.moment(user.created_at)),
        ("Last sign-in", wording.moment(user.last_sign_in_at)),
        ("Password set", wording.moment(user.password_changed_at)),
    ]
    if user.one_time:
        facts.append(("Link good until", wording.moment(user.one_time.expires_at)))
    rows = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in facts)
    st.html(f'<dl class="lb-facts">{rows}</dl>')


def _draw_role(user: User) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        role = st.selectbox(
            "Role",
            list(ROLES),
            index=list(ROLES).index(user.role),
            format_func=lambda role: f"{role}: {ROLES[role]}",
            key=f"person-role-{user.id}-{user.role}",
        )
        if st.button("Change role", key="person-role-change", disabled=role == user.role):
            actions.ask_role(user, role)


def _draw_form(user: User) -> None:
    with (
        st.expander("Name, e-mail, hospital, location", icon=":material/edit:"),
        st.form(f"person-edit-{user.id}", border=False),
    ):
        name = st.text_input("Name", user.name, key=f"person-name-{user.id}", max_chars=100)
        email = st.text_input("E-mail", user.email, key=f"person-email-{user.id}", max_chars=254)
        hospital = st.text_input(
            "Hospital", user.hospital, key=f"person-hospital-{user.id}", max_chars=100
        )
        location = st.text_input(
            "Location", user.location, key=f"person-location-{user.id}", max_chars=100
        )
        if st.form_submit_button("Save", type="primary", key="person-save"):
            _save(user, Profile(name=name, email=email, hospital=hospital, location=location))


def _save(user: User, profile: Profile) -> None:
    there = visit("users.manage")
    done = False
    with attempt():
        there.workbench.accounts.edit(there.actor, user.id, profile)
        done = True
    if done:
        tell("Saved.")
        st.rerun()


def _draw_sessions(here: Visit, user: User) -> None:
    sessions = here.workbench.sessions.of_user(user.id)
    st.subheader("Signed in", anchor=False)
    if not sessions:
        st.caption("Nowhere at present.")
    for session in sessions:
        seen = wording.ago(session.last_seen_at or session.created_at)
        where = session.address or "an unknown address"
        agent = f" · {wording.plain(_short(session.agent))}" if session.agent else ""
        st.caption(
            f"From {wording.plain(where)} since {wording.moment(session.created_at)}, "
            f"last seen {seen}{agent}"
        )


def _short(agent: str) -> str:
    """Write what a browser calls itself: the end names the browser, the middle the machine.

    >>> _short("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    'Firefox/140.0 (X11; Linux x86_64; rv:140.0)'
    """
    machine = agent.partition("(")[2].partition(")")[0]
    return f"{agent.split()[-1][:40]} ({machine[:60]})" if machine else agent[:60]


def _draw_lately(here: Visit, user: User) -> None:
    st.subheader("Lately", anchor=False)
    log = here.workbench.audit
    own = log.entries(Filters(actor_id=user.id), size=_LATELY).entries
    about = log.entries(Filters(record=f"users/{user.id}"), size=_LATELY).entries
    lines = {entry.number: entry for entry in (*own, *about)}
    names = names_of(here)
    with card("lately"):
        for number in sorted(lines, reverse=True)[:_LATELY]:
            draw_entry(lines[number], names)
        if not lines:
            st.caption("Nothing was logged yet.")
    st.page_link(
        page("audit"),
        label="All that this person did",
        icon=":material/history_edu:",
        query_params={"who": user.id},
    )
