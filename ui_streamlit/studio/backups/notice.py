"""What every open page is told of a restore: while it lasts, and once it has taken place."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape

import streamlit as st

from engine.store import now
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.visits import Visit, arrive

__all__ = ["draw_restore_notice"]

_SINCE = "studio_since"
_TOLD_FOR = timedelta(minutes=15)


@st.fragment(run_every=5)
def draw_restore_notice() -> None:
    """Say that a backup is being put back, or was since this page was opened; else nothing."""
    since: datetime = st.session_state.setdefault(_SINCE, now())
    with attempt():
        here = arrive()
        if here.may("studio.open"):
            _draw(_going_on(here) or _done(here, since))


def _going_on(here: Visit) -> str:
    activity = here.workbench.backups.activity()
    if activity is None or activity.kind != "restore":
        return ""
    return f"{activity.sentence} What is saved now will not stay: wait until it has ended."


def _done(here: Visit, since: datetime) -> str:
    restored = here.workbench.backups.last_restore()
    if restored is None or restored.at <= since or now() - restored.at > _TOLD_FOR:
        return ""
    made = wording.moment(here.workbench.backups.get(restored.backup_id).created_at)
    return (
        f"A backup was put back {wording.ago(restored.at)}: records are as they were on {made}. "
        "What is on this page may be from before; open it again."
    )


def _draw(sentence: str) -> None:
    if sentence:
        st.html(f'<p class="lb-notice" role="status">{escape(sentence)}</p>')
