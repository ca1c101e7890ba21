"""One job with everything about it: progress, log, results, why it failed, what may be done."""

from __future__ import annotations

from datetime import datetime
from html import escape

import streamlit as st

from engine.store import now as current_time
from engine.store.records import Job, ResultRef
from ui_streamlit.studio import addresses, wording
from ui_streamlit.studio.jobs import actions, choosing
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.jobs.rows import bar
from ui_streamlit.studio.jobs.words import elapsed_s, progress_line, state_word
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit, live
from ui_streamlit.studio.wording import plain

__all__ = ["draw_job"]

_LOG_LINES = 60


@live("jobs.view", every_s=1.5)
def draw_job(here: Visit, job_id: str) -> None:
    """Draw the job with that id; refreshes itself."""
    job = next((job for job in here.workbench.queue.all() if job.id == job_id), None)
    if job is None:
        empty(
            "This job is not here",
            "It was removed, or the link is wrong. The list has all that there are.",
            icon=":material/search_off:",
        )
        return
    now = current_time()
    with card("job"):
        _draw_head(here, job, now)
        _draw_facts(here, job, now)
    _draw_results(here, job)
    _draw_log(here, job)


def _draw_head(here: Visit, job: Job, now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(job.title or job.task, anchor=False, width="content")
        word = state_word(job)
        chip(word.label, word.tone, icon=word.icon)
        st.space("stretch")
        actions.buttons(here, [job], key=f"job-{job.id}")
    line = progress_line(job, now=now)
    if job.state == "failed":
        st.error(plain(job.error) or "It ended without a reason.", icon=":material/error:")
    elif job.paused_because:
        st.warning(plain(job.paused_because), icon=":material/pause_circle:")
    else:
        st.html(f'{bar(job)}<p class="lb-line"><span>{escape(line)}</span></p>')


def _draw_facts(here: Visit, job: Job, now: datetime) -> None:
    facts = [
        ("Task", job.task),
        ("Started by", name_of(here, job.created_by)),
        ("Asked for", wording.moment(job.created_at)),
        ("Began", wording.moment(job.started_at)),
        ("Ended", wording.moment(job.finished_at)),
        ("Time at work", wording.duration(elapsed_s(job, now=now))),
        ("Attempt", f"{job.attempts} of {job.max_attempts}"),
        ("Needs", f"{wording.megabytes(job.need_memory_mb)}, {_cores(job)}"),
    ]
    if job.priority:
        facts.append(("Priority", str(job.priority)))
    rows = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in facts)
    st.html(f'<dl class="lb-facts">{rows}</dl>')
    _draw_links("Waits for", job.after if job.state == "pending" else ())
    _draw_links("Repeats", (job.retry_of,) if job.retry_of else ())


def _draw_links(label: str, ids: tuple[str, ...]) -> None:
    for name in ids:
        st.page_link(page("jobs"), label=f"{label}: job {name[-6:]}", query_params={"job": name})


def _cores(job: Job) -> str:
    return wording.count(job.need_cores, "core")


def _draw_results(here: Visit, job: Job) -> None:
    if not job.results:
        return
    st.subheader("Results", anchor=False)
    for result in job.results:
        _draw_result(here, result)


def _draw_result(here: Visit, result: ResultRef) -> None:
    title = result.title or f"{result.kind} {result.ref[:12]}"
    if result.kind == "file":
        root = here.workbench.settings.root_path
        st.html(addresses.link(f"Download {title}", f"{root}/files/{result.ref}"))
    elif result.kind == "backup" and here.may("backups.view"):
        query = {"backup": result.ref}
        st.page_link(
            page("backups"), label=title, icon=":material/inventory_2:", query_params=query
        )
    else:
        st.markdown(f":material/check: {plain(title)}")


def _draw_log(here: Visit, job: Job) -> None:
    lines = here.workbench.queue.log_tail(job.id, _LOG_LINES)
    label = "Log" if lines else "Log (nothing yet)"
    with st.expander(label, expanded=job.state in choosing.ACTIVE or job.state == "failed"):
        text = "\n".join(lines) if lines else "Nothing was logged so far."
        st.code(text, language=None, wrap_lines=True, height=320 if len(lines) > 12 else "content")
        if lines:
            st.caption(f"The last {len(lines)} lines, times in UTC.")
