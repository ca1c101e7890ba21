"""The record that an address names."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def _page() -> None:
    import streamlit as st

    from ui_streamlit.studio.places import record_in_address

    st.text(f"shown:{record_in_address('job')}")


def test_the_address_says_which_record_is_shown() -> None:
    """With an id, another one, and none again; other parameters are never touched."""
    app = AppTest.from_function(_page)
    seen = []
    for query in ({}, {"job": "a"}, {"job": "b", "find": "x"}, {"find": "x"}, {}):
        app.query_params.clear()
        app.query_params.update(query)
        app.run()
        seen.append(app.text[0].value.removeprefix("shown:"))
        kept = {name: app.query_params[name] for name in app.query_params}
        assert {
            name: value if isinstance(value, str) else value[0] for name, value in kept.items()
        } == query
    assert seen == ["", "a", "b", "", ""]
