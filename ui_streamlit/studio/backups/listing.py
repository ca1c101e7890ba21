"""All backups: how well the home is covered, what goes on now, and a row for each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from html import escape
from math import ceil
from typing import Final

import streamlit as st

from engine.settings import Settings
from engine.store import now as current_time
from engine.store.records import BackupRecord, Job
from ui_streamlit.studio import wording
from ui_streamlit.studio.backups import actions
from ui_streamlit.studio.backups.words import reason_word, state_word, summary
from ui_streamlit.studio.jobs.rows import bar
from ui_streamlit.studio.jobs.words import progress_line
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_activity", "draw_list"]

_PER_PAGE: Final = 10


@live("backups.view", every_s=2)
def draw_list(here: Visit) -> None:
    """Draw the whole list; refreshes itself."""
    rows = here.workbench.backups.list()
    is_busy = draw_activity(here)
    _draw_cover(here.workbench.settings, rows)
    actions.make_button(here, is_busy=is_busy)
    if not rows:
        empty(
            "No backup yet",
            "The first one is made as soon as a worker runs. You can also make one now: it is "
            "restored on trial and compared before it is called good.",
            icon=":material/inventory_2:",
        )
        return
    pages = ceil(len(rows) / _PER_PAGE)
    number = min(int(st.session_state.get("backups-page") or 1), pages)
    for record in rows[(number - 1) * _PER_PAGE : number * _PER_PAGE]:
        _draw_row(record)
    if pages > 1:
        st.pagination(pages, key="backups-page", default=1)


def draw_activity(here: Visit) -> bool:
    """Show what is being done with backups now, by anybody; returns whether anything is."""
    job = actions.active_job(here)
    activity = here.workbench.backups.activity()
    if job is not None:
        _draw_job(here, job)
    elif activity is not None:
        st.info(wording.plain(activity.sentence), icon=":material/progress_activity:")
    return job is not None or activity is not None


def _draw_job(here: Visit, job: Job) -> None:
    now = current_time()
    with card("backup-job"):
        st.page_link(
            page("jobs"),
            label=f"**{wording.plain(job.title or job.task)}**",
            query_params={"job": job.id},
        )
        line = escape(progress_line(job, now=now))
        st.html(f'{bar(job)}<p class="lb-line"><span>{line}</span></p>')
    if job.state == "pending" and not any(w.is_alive for w in here.workbench.queue.workers()):
        st.warning(
            "No worker is running, so this must wait. The server starts one by itself; alone, it "
            "is `lightbox worker`.",
            icon=":material/warning:",
        )


def _draw_cover(settings: Settings, rows: Sequence[BackupRecord]) -> None:
    """Say how old the last good backup is, and when the next one comes."""
    now = current_time()
    good = next((record for record in rows if record.state == "good"), None)
    if good is None:
        if rows:
            st.error("No good backup: what was done since the beginning could be lost.")
        return
    interval = timedelta(hours=settings.backup_interval_h)
    age = now - good.created_at
    if interval and age > 2 * interval:
        st.warning(
            f"The last good backup is {wording.duration(age.total_seconds())} old, but one is due "
            f"every {wording.duration(interval.total_seconds())}. See the jobs for the reason.",
            icon=":material/warning:",
        )
    total = sum(record.size_bytes for record in rows if record.file)
    kept = (
        f"{wording.count(settings.backup_keep_daily, 'day')} and "
        f"{wording.count(settings.backup_keep_weekly, 'week')} are kept"
    )
    clock = (
        f"the next is due {_when((good.created_at + interval - now).total_seconds())}"
        if interval
        else "none is made by the clock (LIGHTBOX_BACKUP_INTERVAL_H is 0)"
    )
    st.caption(
        f"Last good one {wording.ago(good.created_at, now=now)}; {clock}. The last ones of {kept}. "
        f"{wording.count(len(rows), 'backup')}, {wording.size(total)}."
    )


def _when(seconds: float) -> str:
    return f"in {wording.duration(seconds)}" if seconds > 0 else "now"


def _draw_row(record: BackupRecord) -> None:
    now = current_time()
    with card(f"backup-{record.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.page_link(
                page("backups"),
                label=f"**{wording.moment(record.created_at)}**",
                query_params={"backup": record.id},
            )
            word = state_word(record)
            chip(word.label, word.tone, icon=word.icon)
        left = escape(f"{reason_word(record)} · {summary(record)}")
        right = escape(wording.ago(record.created_at, now=now))
        st.html(f'<p class="lb-line"><span>{left}</span><span>{right}</span></p>')
        if record.error:
            st.caption(wording.plain(record.error))
