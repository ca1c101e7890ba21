"""What may be done with backups: each becomes a job, or is asked about first."""

from __future__ import annotations

from functools import partial

import streamlit as st

from engine.jobs.tasks.backups import running_jobs
from engine.store.records import BackupRecord, Job
from ui_streamlit.studio import addresses, wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.backups.words import lost_lines
from ui_streamlit.studio.dialogs import Question, ask, tell
from ui_streamlit.studio.visits import Visit

__all__ = ["TASKS", "active_job", "buttons", "make_button"]

TASKS = ("backup", "verify_backup", "restore")
_LATER = "The line at the top shows how far it is."


def active_job(here: Visit) -> Job | None:
    """Return the job that makes, checks or puts back a backup, if one waits or runs."""
    for job in here.workbench.queue.all():
        if job.task in TASKS and job.state in ("pending", "processing"):
            return job
    return None


def make_button(here: Visit, *, is_busy: bool) -> None:
    """Draw the button that makes a backup now."""
    if not here.may("backups.make"):
        return
    if st.button(
        "Make a backup now",
        key="backup-make",
        type="primary",
        icon=":material/add_circle:",
        disabled=is_busy,
    ):
        with attempt():
            here.workbench.queue.submit("backup", {"reason": "by hand"}, actor=here.actor)
            tell(f"The backup was started. {_LATER}")
            st.rerun()


def buttons(here: Visit, record: BackupRecord, *, is_busy: bool) -> None:
    """Draw what may be done with one backup."""
    has_archive = bool(record.file) and record.state in ("good", "bad", "found")
    with st.container(horizontal=True):
        if has_archive and here.may("backups.make"):
            _check_button(here, record, is_busy=is_busy)
        if has_archive and here.may("backups.restore"):
            _restore_button(here, record, is_busy=is_busy)
        if here.may("backups.delete") and record.state not in ("making", "rehearsing"):
            _delete_button(record, is_busy=is_busy)
    if has_archive and here.may("backups.restore"):
        address = f"{here.workbench.settings.root_path}/api/v1/backups/{record.id}/archive"
        st.html(addresses.link(f"Download ({wording.size(record.size_bytes)})", address))


def _check_button(here: Visit, record: BackupRecord, *, is_busy: bool) -> None:
    if st.button("Check again", key="backup-check", icon=":material/rule:", disabled=is_busy):
        with attempt():
            here.workbench.queue.submit("verify_backup", {"backup": record.id}, actor=here.actor)
            tell(f"The check was started. {_LATER}")
            st.rerun()


def _restore_button(here: Visit, record: BackupRecord, *, is_busy: bool) -> None:
    if not st.button(
        "Put it back …", key="backup-restore", icon=":material/restore:", disabled=is_busy
    ):
        return
    question = None
    with attempt():
        here.require("backups.restore")
        with st.spinner("Comparing it with the present state …"):
            preview = here.workbench.backups.preview(
                record.id, actor=here.actor, running=running_jobs(here.workbench.settings)
            )
        made = wording.moment(record.created_at)
        question = Question(
            title="Put this backup back?",
            text=(
                f"Records go back to how they were on {made}. The present state is backed up "
                "first, so that you can return to it. Jobs, the audit log and the list of backups "
                "stay."
            ),
            lost=lost_lines(preview),
            button="Put it back",
            action="backups.restore",
            typed="RESTORE",
            act=partial(_restore, record.id),
        )
    if question is not None:
        ask(question)


def _restore(record_id: str, here: Visit) -> str:
    here.workbench.queue.submit("restore", {"backup": record_id}, actor=here.actor, priority=100)
    return f"Putting the backup back was started. {_LATER}"


def _delete_button(record: BackupRecord, *, is_busy: bool) -> None:
    if st.button("Delete …", key="backup-delete", icon=":material/delete:", disabled=is_busy):
        made = wording.moment(record.created_at)
        ask(
            Question(
                title="Delete this backup?",
                text="It cannot be brought back.",
                lost=(f"The backup of {made}, {wording.size(record.size_bytes)}",),
                button="Delete it",
                action="backups.delete",
                act=partial(_delete, record.id),
            )
        )


def _delete(record_id: str, here: Visit) -> str:
    here.workbench.backups.remove(record_id, actor=here.actor)
    st.query_params.pop("backup", None)
    return "The backup was deleted."
