"""Users: who has an account, who waits to be let in; one person when the address names them."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.people.detail import draw_person
from ui_streamlit.studio.people.links import draw_link
from ui_streamlit.studio.people.listing import draw_add, draw_list
from ui_streamlit.studio.places import record_in_address

_here = visit("users.view")
heading("Users", "Who may sign in here, and what each may do.")
_asked = record_in_address("user")
if _asked:
    st.page_link(page("users"), label="All users", icon=":material/arrow_back:")
draw_link()
if _asked:
    draw_person(_here, _asked)
else:
    draw_list(_here)
    draw_add(_here)
