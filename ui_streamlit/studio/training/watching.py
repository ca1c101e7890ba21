"""One training: how far it is, its curves and pictures, and what may be done with it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from html import escape

import streamlit as st

from engine.catalogue.trainings import Progress
from engine.errors import NotFoundError
from engine.store import now as current_time
from engine.store.records import Job
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs import actions, choosing
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.jobs.rows import bar
from ui_streamlit.studio.jobs.words import elapsed_s, progress_line, state_word
from ui_streamlit.studio.models.figures import draw_figures
from ui_streamlit.studio.models.measured import draw_measured
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.training.charts import draw_curves
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_training"]


def draw_training(here: Visit, job_id: str) -> None:
    """Draw the training of that job; it refreshes itself while there is anything to see."""
    try:
        progress = here.workbench.trainings.progress(here.actor, job_id)
    except NotFoundError:
        empty(
            "This training is not here",
            "Its job was removed, or the link is wrong. The list has all that there are.",
            icon=":material/search_off:",
        )
        return
    if progress.job.state in choosing.ACTIVE:
        _draw_live(job_id)
    else:
        with attempt():
            _draw(here, progress)


@live("models.view", every_s=1.5)
def _draw_live(here: Visit, job_id: str) -> None:
    progress = here.workbench.trainings.progress(here.actor, job_id)
    if progress.job.state not in choosing.ACTIVE:
        st.rerun()  # what is over needs no refreshing
    _draw(here, progress)


def _draw(here: Visit, progress: Progress) -> None:
    with card("training"):
        _draw_head(here, progress)
        _draw_facts(here, progress)
    _draw_end(here, progress)
    if progress.epochs:
        with card("curves"):
            draw_curves(progress.epochs, key="training")
    _draw_samples(progress)
    _draw_plan(progress)
    _draw_measures(here, progress)


def _draw_head(here: Visit, progress: Progress) -> None:
    job = progress.job
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(wording.plain(job.title), anchor=False, width="content")
        word = state_word(job)
        if progress.is_paused:
            chip("Paused", "waiting", icon=":material/pause_circle:")
        else:
            chip(word.label, word.tone, icon=word.icon)
    if job.state == "failed":
        st.error(wording.plain(job.error) or "It ended without a reason.", icon=":material/error:")
    elif job.paused_because:
        st.warning(wording.plain(job.paused_because), icon=":material/pause_circle:")
    else:
        line = progress_line(_with_own_end(progress), now=current_time())
        st.html(f'{bar(job)}<p class="lb-line"><span>{escape(line)}</span></p>')
    if progress.stopped:
        st.info(wording.plain(progress.stopped), icon=":material/flag:")
    _tell_queue(here, job)
    _draw_buttons(here, progress)


def _with_own_end(progress: Progress) -> Job:
    """Return the job with the training's own forecast of its end, where it has one.

    What the pace so far suggests is far off: preparing, learning and measuring differ.
    """
    job, now = progress.job, current_time()
    if progress.evaluating[1] or progress.finished:
        return job
    if progress.latest:
        return replace(job, eta_s=progress.latest["eta_s"], heartbeat_at=now)
    minutes, so_far = job.payload.get("wishes", {}).get("minutes"), elapsed_s(job, now=now)
    if minutes is None or so_far is None:
        return job
    return replace(job, eta_s=max(0.0, 60 * minutes - so_far), heartbeat_at=now)


def _tell_queue(here: Visit, job: Job) -> None:
    """Say for whom another training is at work while this one waits for its turn."""
    if job.state != "pending" and job.stage != "Waiting":
        return
    other = here.workbench.trainings.running(here.actor)
    if other is not None and other.id != job.id:
        st.info(
            f"“{wording.plain(other.title)}” is at work for "
            f"{wording.plain(name_of(here, other.created_by))}. One training runs at a time: "
            "this one begins when it is done.",
            icon=":material/hourglass_top:",
        )


def _draw_buttons(here: Visit, progress: Progress) -> None:
    job = progress.job
    if not here.workbench.trainings.may_steer(here.actor, job):
        return
    with st.container(horizontal=True, gap="small"):
        if job.state in choosing.ACTIVE and not progress.finished:
            if progress.wish == "pause":
                _button(here, job, "Resume", ":material/play_arrow:", "go", "It goes on.")
            else:
                _button(
                    here, job, "Pause", ":material/pause:", "pause", "It pauses after this step."
                )
            if progress.epochs and progress.wish != "finish":
                _button(
                    here, job, "Stop and keep the best", ":material/flag:", "finish",
                    "It stops learning and measures the best so far.",
                )  # fmt: skip
        if choosing.can_retry(job):
            _draw_again(here, job)
        else:
            actions.buttons(here, [job], key="training-job")


def _draw_again(here: Visit, job: Job) -> None:
    """Lead to the training that took this one's place, or offer to start it."""
    later = [one for one in here.workbench.trainings.list(here.actor) if one.retry_of == job.id]
    if later:
        st.page_link(
            page("train"), label="It was started again", query_params={"training": later[0].id}
        )
    elif st.button("Go on from where it was", icon=":material/replay:", key="training-again"):
        with attempt():
            again = here.workbench.queue.retry(job.id, here.actor)
            tell("The training goes on from its last saved state.")
            st.query_params["training"] = again.id
            st.rerun()


def _button(here: Visit, job: Job, label: str, icon: str, wish: str, told: str) -> None:
    if st.button(label, icon=icon, key=f"training-{wish}"):
        with attempt():
            here.workbench.trainings.ask(here.actor, job.id, wish)  # type: ignore[arg-type]  # one of the three
            tell(told)
            st.rerun()


def _draw_facts(here: Visit, progress: Progress) -> None:
    step, job = progress.latest, progress.job
    facts = [("Started by", name_of(here, job.created_by))]
    done, total = progress.preparing
    if total and done < total:
        facts.append(("Pictures prepared", f"{done:,} of {total:,}"))
    if progress.planned:
        parts = progress.planned["parts"]
        told = ", ".join(f"{n:,} {part}" for part, n in parts.items() if n)
        facts.append(("Pictures", told))
    if step:
        facts += [
            ("Epoch", f"{step['epoch']:,}"),
            ("Step", f"{step['step']:,} of about {step['steps']:,}"),
            ("Loss", f"{step['loss']:.3f}"),
            ("Learning rate", f"{step['learning_rate']:.2g}"),
            ("Speed", f"{step['pictures_per_s']:.1f} patches/s"),
            ("Memory", wording.megabytes(step["memory_mb"])),
            ("Learnt for", wording.duration(step["elapsed_s"])),
        ]
    if progress.evaluating[1]:
        done, total = progress.evaluating
        facts.append(("Pictures measured", f"{done:,} of {total:,}"))
    rows = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in facts)
    st.html(f'<dl class="lb-facts">{rows}</dl>')


def _draw_end(here: Visit, progress: Progress) -> None:
    if progress.job.state != "completed" or not progress.model_id:
        return
    with card("training-end"):
        st.subheader("The model is ready", anchor=False)
        st.markdown(wording.plain(progress.job.message))
        draw_figures(progress.finished.get("metrics", {}))
        with st.container(horizontal=True):
            st.page_link(
                page("models"),
                label="Open the model",
                icon=":material/deployed_code:",
                query_params={"model": progress.model_id},
            )
            if here.may("models.predict"):
                st.page_link(
                    page("predict"), label="Try it on a picture", icon=":material/image_search:"
                )


def _draw_samples(progress: Progress) -> None:
    if not progress.samples:
        return
    with card("samples"):
        st.subheader("What it sees", anchor=False)
        st.caption("Validation pictures: left the mask that people drew, right the answer.")
        by_epoch = {one.epoch: one for one in progress.samples}
        chosen = list(by_epoch)[-1]
        if len(by_epoch) > 1:
            newest = "The newest"
            asked = st.select_slider(
                "After epoch", [*map(str, by_epoch), newest], value=newest, key="training-epoch"
            )
            chosen = chosen if asked == newest else int(asked)
        sample = by_epoch[chosen]
        columns = st.columns(2)
        for place, path in enumerate(sample.paths):
            name = sample.names[place] if place < len(sample.names) else ""
            with columns[place % 2]:
                st.image(
                    path.read_bytes(),
                    caption=wording.plain(name),
                    width="stretch",
                    alt=f"{name} after epoch {sample.epoch}: left the mask, right the answer",
                )


def _draw_plan(progress: Progress) -> None:
    if not progress.planned:
        return
    with st.expander("The plan, and why"):
        st.caption(wording.plain(progress.planned["division"]))
        rows = "".join(
            f"<div><dt>{escape(one['about'])}</dt><dd><b>{escape(one['chosen'])}</b> – "
            f"{escape(one['because'])}</dd></div>"
            for one in progress.planned["plan"]["reasons"]
        )
        st.html(f'<dl class="lb-facts lb-reasons">{rows}</dl>')


def _draw_measures(here: Visit, progress: Progress) -> None:
    """Draw what was measured in the end, as the model's own page does."""
    if progress.job.state != "completed" or not progress.model_id:
        return
    with suppress(NotFoundError):  # the model was deleted since
        draw_measured(here, here.workbench.models.get(here.actor, progress.model_id))
