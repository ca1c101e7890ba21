"""Trainings for later: at a time, after new masks, after an import."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import streamlit as st

from engine.catalogue.trainings import Schedule
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.training.beginning import wishes_from
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_later"]

_KINDS: Final = {
    "At a time": "at",
    "After new masks": "after_new_masks",
    "After an import": "after_import",
}


def draw_later(here: Visit) -> None:
    """Draw the schedules, and the way to make one."""
    schedules = here.workbench.trainings.schedules(here.actor)
    may = here.may("models.train") and bool(st.session_state.get("train-dataset"))
    if not schedules and not may:
        return
    st.subheader("Later", anchor=False)
    names = {one.id: one.name for one in here.workbench.store.datasets.read()}
    for schedule in schedules:
        _draw_one(here, schedule, names.get(schedule.dataset_id, "a dataset that is gone"))
    if may:
        with st.expander("Train by itself, with the settings above"):
            _draw_new(here)


def _draw_one(here: Visit, schedule: Schedule, dataset: str) -> None:
    with (
        card(f"schedule-{schedule.id}"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        st.markdown(f"**{_when(schedule)}** on “{wording.plain(dataset)}”")
        st.caption(
            f"{wording.plain(name_of(here, schedule.created_by))}; started "
            f"{wording.count(schedule.started, 'time')} so far."
        )
        if schedule.problem:
            st.error(wording.plain(schedule.problem), icon=":material/error:")
        if here.may("models.train") and st.button(
            "Remove", icon=":material/delete:", key=f"unschedule-{schedule.id}"
        ):
            with attempt():
                here.workbench.trainings.unschedule(here.actor, schedule.id)
                tell("It will not start by itself any more.")
                st.rerun()


def _when(schedule: Schedule) -> str:
    if schedule.kind == "at":
        return f"At {wording.moment(schedule.at)}"
    if schedule.kind == "after_import":
        return "After each import"
    return f"After each {schedule.new_masks:,} new masks"


def _draw_new(here: Visit) -> None:
    kind = st.segmented_control(
        "When", list(_KINDS), default="At a time", required=True, key="later-kind"
    )
    when: dict[str, Any] = {"after_import": True}
    if kind == "At a time":
        zone = ZoneInfo(st.context.timezone or "UTC")
        soon = datetime.now(UTC).astimezone(zone) + timedelta(hours=1)
        left, right = st.columns(2)
        day = left.date_input("Day", soon.date(), key="later-day")
        hour = right.time_input(
            "Time", soon.time().replace(second=0, microsecond=0), key="later-time"
        )
        when = {"at": datetime.combine(day, hour, tzinfo=zone).isoformat()}
    elif kind == "After new masks":
        number = st.number_input("New masks", 1, 100_000, 20, key="later-masks")
        when = {"after_new_masks": int(number)}
    if st.button("Plan it", icon=":material/event:", key="later-go"):
        with attempt():
            here.workbench.trainings.schedule(
                here.actor,
                st.session_state["train-dataset"],
                wishes_from(st.session_state),
                when=when,
                name=str(st.session_state.get("train-name") or ""),
            )
            tell("It will start by itself.")
            st.rerun()
