"""The list of people: filters, rows, and the form for a new person."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil
from typing import Final

import streamlit as st

from engine.people.profiles import Profile
from engine.store.records import User
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.people import actions
from ui_streamlit.studio.people.links import keep_link
from ui_streamlit.studio.people.words import ROLES, STATES, found, state_of
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit, visit
from ui_streamlit.studio.wording import plain

__all__ = ["draw_add", "draw_list"]

_PER_PAGE: Final = 20


def draw_list(here: Visit) -> None:
    """Draw the filters and the people that match."""
    users = here.workbench.accounts.all()
    if not users:
        _draw_nobody(here)
        return
    matching = _chosen(users)
    if not matching:
        empty("Nobody matches", "Choose another state or fewer words.", icon=":material/search:")
        return
    pages = ceil(len(matching) / _PER_PAGE)
    number = min(int(st.session_state.get("people-page") or 1), pages)
    for user in matching[(number - 1) * _PER_PAGE : number * _PER_PAGE]:
        _draw_row(here, user)
    if pages > 1:
        st.pagination(pages, key="people-page", default=1)


def draw_add(here: Visit) -> None:
    """Draw the form that makes an account, for those who may."""
    if not here.may("users.manage"):
        return
    with (
        st.expander("Add a person", icon=":material/person_add:"),
        st.form("people-add", border=False),
    ):
        name = st.text_input("Name", key="people-add-name", max_chars=100)
        email = st.text_input("E-mail", key="people-add-email", max_chars=254)
        role = st.selectbox(
            "Role",
            list(ROLES),
            index=2,
            format_func=lambda role: f"{role}: {ROLES[role]}",
            key="people-add-role",
        )
        hospital = st.text_input("Hospital (optional)", key="people-add-hospital", max_chars=100)
        location = st.text_input("Location (optional)", key="people-add-location", max_chars=100)
        st.caption("No mail is sent: you get a link to pass on, which sets the password.")
        if st.form_submit_button("Add", type="primary", key="people-add-submit"):
            _add(Profile(name=name, email=email, hospital=hospital, location=location), str(role))


def _add(profile: Profile, role: str) -> None:
    there = visit("users.manage")
    done = False
    with attempt():
        user, token = there.workbench.accounts.add(there.actor, profile, role=role)
        keep_link(there, user.name, token)
        done = True
    if done:
        for field in ("name", "email", "hospital", "location"):
            st.session_state.pop(f"people-add-{field}", None)
        st.rerun()


def _draw_nobody(here: Visit) -> None:
    text = "Add the first person below; they set their password through a link."
    if here.is_open:
        text += " Accounts count as soon as the server is started with LIGHTBOX_AUTH=on."
    empty("Nobody has an account yet", plain(text), icon=":material/group:")


def _chosen(users: Sequence[User]) -> tuple[User, ...]:
    numbers = {state: sum(state_of(user) == state for user in users) for state in STATES}
    labels = {f"{STATES[state].label} {many}": state for state, many in numbers.items() if many}
    label = st.pills("State", list(labels), key="people-state", label_visibility="collapsed")
    words = st.text_input(
        "Search",
        key="find",
        bind="query-params",
        placeholder="Name, e-mail, role, hospital or location",
        label_visibility="collapsed",
        icon=":material/search:",
    )
    st.caption(wording.count(len(users), "account"))
    return found(users, words=words or "", state=labels.get(label or ""))


def _draw_row(here: Visit, user: User) -> None:
    with card(f"person-{user.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            label = f"**{plain(user.name)}**" + (" (you)" if user.id == here.actor.id else "")
            st.page_link(page("users"), label=label, query_params={"user": user.id})
            chip(user.role.capitalize(), "quiet")
            word = STATES[state_of(user)]
            chip(word.label, word.tone, icon=word.icon)
        seen = wording.ago(user.last_sign_in_at) if user.last_sign_in_at else "never"
        st.html(
            f'<p class="lb-line"><span>{escape(user.email or "no e-mail yet")}</span>'
            f"<span>last sign-in: {escape(seen)}</span></p>"
        )
        if user.waiting and here.may("users.manage"):
            actions.buttons(here, user, key="row")
