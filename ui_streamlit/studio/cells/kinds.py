"""The cell types: what may be chosen, in which colour and with which key."""

from __future__ import annotations

from html import escape

import streamlit as st

from engine.store.records import CellType
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.visits import Visit

__all__ = ["TABLE", "draw_kinds"]

TABLE = (
    "<style>.lb-cells{border-collapse:collapse}.lb-cells td,.lb-cells th{text-align:left;"
    'padding:.3rem 1.1rem .3rem 0;vertical-align:top}</style><table class="lb-cells">'
)
"""How a table of this page begins."""


def draw_kinds(here: Visit) -> None:
    """Draw the list; administrators add, rename, colour and retire."""
    found = here.workbench.cells.types.all(here.actor, retired=True)
    rows = "".join(
        f'<tr><td><span style="color:{escape(one.colour)}">■</span> {escape(one.name)}</td>'
        f"<td>{escape(one.key) or '–'}</td><td>{escape(one.description) or '–'}</td>"
        f"<td>{'retired' if one.retired else 'in use'}</td></tr>"
        for one in found
    )
    st.html(
        f"{TABLE}<thead><tr><th>Kind</th><th>Key</th><th>Description</th><th>State</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>"
    )
    if not here.may("cells.types"):
        st.caption("Administrators change this list.")
        return
    _draw_adding(here)
    _draw_changing(here, {one.name: one for one in found})


def _draw_adding(here: Visit) -> None:
    with st.form("cells-new-kind", clear_on_submit=False):
        st.markdown("**Add a kind**")
        name = st.text_input("Name", key="cells-new-name")
        with st.container(horizontal=True):
            colour = st.color_picker("Colour", "#56b4e9", key="cells-new-colour")
            key = st.text_input("Key", key="cells-new-key", max_chars=1, width=80)
        description = st.text_input("Description", key="cells-new-description")
        if st.form_submit_button("Add it", icon=":material/add:"):
            with attempt():
                here.workbench.cells.types.add(
                    here.actor, name=name, colour=colour, key=key, description=description
                )
                tell(f"{name.strip()} was added.")
                st.rerun()


def _draw_changing(here: Visit, known: dict[str, CellType]) -> None:
    chosen = st.selectbox("Change a kind", list(known), key="cells-change-kind")
    one = known[chosen]
    with st.form(f"cells-kind-{one.id}"):
        name = st.text_input("Name", one.name, help="Marked cells get the new name too.")
        with st.container(horizontal=True):
            colour = st.color_picker("Colour", one.colour)
            key = st.text_input("Key", one.key, max_chars=1, width=80)
        description = st.text_input("Description", one.description)
        retired = st.checkbox(
            "Retired", one.retired, help="Not offered any more; its cells stay as they are."
        )
        if st.form_submit_button("Save", icon=":material/save:"):
            with attempt():
                changes = {
                    "name": name,
                    "colour": colour,
                    "key": key,
                    "description": description,
                    "retired": retired,
                }
                here.workbench.cells.types.change(here.actor, one.id, changes)
                tell(f"{name.strip()} was changed.")
                st.rerun()
