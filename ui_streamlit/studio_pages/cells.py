"""Cells: pictures of smears, the cells in them, and the kinds that there are."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.cells.choosing import draw_pictures
from ui_streamlit.studio.cells.kinds import draw_kinds
from ui_streamlit.studio.cells.picture import draw_picture
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.places import record_in_address

_here = visit("cells.view")
heading("Cells", "Found by a detector, checked by people, counted with intervals.")
_asked = record_in_address("picture")
if _asked:
    with st.container(key="lb-back"):
        st.page_link(page("cells"), label="← All pictures")
    draw_picture(_here, _asked)
else:
    _pictures, _kinds = st.tabs(["Pictures", "Cell types"])
    with _pictures:
        draw_pictures(_here)
    with _kinds:
        draw_kinds(_here)
