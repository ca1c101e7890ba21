"""The filters of the audit page, which the address carries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import streamlit as st

from engine.people.actors import SYSTEM, VISITOR
from engine.people.audit import Filters
from engine.people.permissions import ACTIONS
from ui_streamlit.studio.audit.lines import names_of
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_filters", "filters_of"]

_WHO: Final = "audit-who"


def draw_filters(here: Visit) -> Filters:
    """Draw the filters and return what was chosen."""
    asked = str(st.query_params.get("who", ""))
    people = _people(here, asked)
    areas = sorted({name.partition(".")[0] for name in ACTIONS} | {"audit"})
    words = st.text_input(
        "Search",
        key="find",
        bind="query-params",
        placeholder="Words, a name, an address or a record such as users/ID",
        label_visibility="collapsed",
        icon=":material/search:",
    )
    with st.expander("More filters", icon=":material/filter_list:", expanded=_any_chosen()):
        who = st.selectbox(
            "Who",
            list(people),
            index=list(people).index(asked) if asked in people else None,
            format_func=lambda name: people.get(name, name),
            placeholder="Everybody",
            key=_WHO,
            on_change=_carry_who,
        )
        area = st.selectbox(
            "What",
            areas,
            index=None,
            placeholder="Everything",
            key="area",
            bind="query-params",
        )
        since = st.date_input("From", None, key="since", bind="query-params")
        until = st.date_input("To, including that day", None, key="until", bind="query-params")
    return filters_of(
        words=words or "", who=who or "", area=area or "", since=_day(since), until=_day(until)
    )


def filters_of(
    *, words: str, who: str, area: str, since: date | None, until: date | None
) -> Filters:
    """Return the filters of what was typed; days are whole days in UTC, both included.

    Words of the form ``kind/ID`` ask for that record.
    """
    text = words.strip()
    is_record = "/" in text and " " not in text
    return Filters(
        actor_id=who,
        action=area,
        record=text if is_record else "",
        text="" if is_record else text,
        since=_midnight(since) if since else None,
        until=_midnight(until) + timedelta(days=1) if until else None,
    )


def _carry_who() -> None:
    """Put the id into the address: bound by Streamlit, it would be the name, which may change."""
    chosen = st.session_state.get(_WHO)
    if chosen:
        st.query_params["who"] = chosen
    else:
        st.query_params.pop("who", None)


def _people(here: Visit, asked: str) -> Mapping[str, str]:
    named = names_of(here)
    known = {**named, SYSTEM.id: SYSTEM.name, VISITOR.id: VISITOR.name}
    return {asked: "Somebody who has left", **known} if asked and asked not in known else known


def _any_chosen() -> bool:
    return any(st.query_params.get(name) for name in ("who", "area", "since", "until"))


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
