"""Backups: how well everything is covered, each backup with what is in it, and the way back."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.backups.detail import draw_backup, draw_last_restore
from ui_streamlit.studio.backups.listing import draw_list
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.places import record_in_address

_here = visit("backups.view")
heading(
    "Backups",
    "Records, audit log and files in one archive each; restored on trial before it is called good.",
)
_asked = record_in_address("backup")
if _asked:
    st.page_link(page("backups"), label="All backups", icon=":material/arrow_back:")
    draw_backup(_asked)
else:
    _restored = _here.workbench.backups.last_restore()
    if _restored is not None:
        draw_last_restore(_here, _restored)
    draw_list()
