"""Entry script of the studio: draws the frame and runs the page that was asked for."""

from __future__ import annotations

from ui_streamlit.studio import attempt
from ui_streamlit.studio.backups.notice import draw_restore_notice
from ui_streamlit.studio.dialogs import answer_question, show_told
from ui_streamlit.studio.frame import configure, draw_notice, draw_sidebar
from ui_streamlit.studio.navigation import navigate
from ui_streamlit.studio.visits import arrive

configure()
with attempt():
    _arrived = arrive()
    _page = navigate(_arrived)
    draw_sidebar(_arrived)
    draw_notice(_arrived)
    draw_restore_notice()
    show_told()
    answer_question()
    _page.run()
