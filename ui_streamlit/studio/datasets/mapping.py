"""What the values of masks mean: what was guessed is shown, and a person confirms or changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from ui_streamlit.studio import wording

__all__ = ["draw_mapping"]

_STATES: Final = ("background", "unhealthy", "healthy", "not_annotated")


def draw_mapping(survey: Mapping[str, Any], *, key: str) -> dict[str, str] | None:
    """Draw what a first look found, and a choice for each value; return the mapping chosen.

    ``None`` when there are no labels to map.
    """
    seen = survey.get("convention")
    st.caption(
        f"{wording.count(int(survey['pictures']), 'picture')}, {int(survey['labelled']):,} with "
        f"labels. Form: {wording.plain(str(survey['title']))}."
    )
    for note in survey.get("notes", ()):
        st.caption(wording.plain(str(note)))
    if not seen or not seen.get("suggested"):
        return None
    st.markdown("**What the masks seem to mean**")
    for sentence in seen.get("sentences", ()):
        st.markdown(wording.plain(str(sentence)))
    pixels: Mapping[str, int] = seen.get("pixels", {})
    total = sum(pixels.values())
    suggested: Mapping[str, str] = seen["suggested"]
    options = list(dict.fromkeys((*_STATES, *suggested.values())))
    chosen = {}
    with st.grid(min_column_width=210, gap="small"):
        for label, target in suggested.items():
            share = f" · {100 * pixels[label] / total:.1f} % of pixels" if label in pixels else ""
            meant = "all others" if label == "*" else label
            chosen[label] = st.selectbox(
                f"{wording.plain(meant)}{share}",
                options,
                index=options.index(target),
                key=f"{key}-{label}",
                accept_new_options=True,
                help="A state, or type the name of a class of your own.",
            )
    return {label: target or "not_annotated" for label, target in chosen.items()}
