"""Which record of a page is meant: in the address, so that a link to it can be passed on."""

from __future__ import annotations

import streamlit as st

__all__ = ["record_in_address"]


def record_in_address(name: str) -> str:
    """Return the id that the address gives under ``name``; empty when the page shows its list.

    A link from a page to itself runs the page with its parameters, but Streamlit leaves the
    address as it was: the next run would be back where the link was. So it is written anew.
    """
    asked = str(st.query_params.get(name, ""))
    seen = f"studio-place-{name}"
    if st.session_state.get(seen, "") != asked:
        st.session_state[seen] = asked
        if asked:
            st.query_params[name] = asked
        elif not st.query_params.to_dict():
            st.query_params.clear()  # nothing is lost, but the browser is told
    return asked
