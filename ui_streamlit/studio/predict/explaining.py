"""Where the model looked: Grad-CAM of one class in the picture, or in a region of it."""

from __future__ import annotations

import streamlit as st

from engine.annotation.raster import Box
from engine.catalogue.predicting import Answered, Explained, Seen, views
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_explaining"]


def draw_explaining(
    here: Visit, about: str | Answered, seen: Seen, size: tuple[int, int], *, key: str
) -> None:
    """Draw the choice of class and region, and the heat when it was asked for.

    ``size`` is width and height of the picture itself.
    """
    st.caption(
        "Shows which parts of the picture made the model choose a class (Grad-CAM). It takes some "
        "seconds, since a larger program is started for it."
    )
    name = st.selectbox(
        "Class",
        seen.classes,
        index=min(1, len(seen.classes) - 1),
        key=f"predict-why-{key}",
    )
    box = _draw_region(size, key)
    place, chosen = f"predict-heat-{key}", (name, box)
    if st.button("Explain", type="primary", icon=":material/local_fire_department:"):
        st.session_state.pop(place, None)
        with attempt():
            bar = st.progress(0.0, text="Starting")

            def tell(done: float, text: str) -> None:
                bar.progress(min(1.0, done), text=text)

            made = here.workbench.predicting.explain(here.actor, about, name, box=box, tell=tell)
            bar.empty()
            st.session_state[place] = (chosen, made)
    kept = st.session_state.get(place)
    if kept is not None and kept[0] == chosen:
        _draw_heat(seen, kept[1], name, box)
    elif box is not None:
        st.image(
            views.framed(seen, seen.picture, box),
            width="stretch",
            alt="The region that will be explained",
        )


def _draw_region(size: tuple[int, int], key: str) -> Box | None:
    """Draw two sliders that frame a part of the picture; ``None`` for all of it."""
    width, height = size
    if min(width, height) < 8 or not st.toggle("Only a region", key=f"predict-region-{key}"):
        return None
    left, right = st.slider(
        "From left to right, px", 0, width, (width // 4, 3 * width // 4), key=f"predict-x-{key}"
    )
    top, bottom = st.slider(
        "From top to bottom, px", 0, height, (height // 4, 3 * height // 4), key=f"predict-y-{key}"
    )
    if right - left < 1 or bottom - top < 1:
        st.caption("The region is empty, so the whole picture is explained.")
        return None
    return Box(left=left, top=top, right=right, bottom=bottom)


def _draw_heat(seen: Seen, made: Explained, name: str, box: Box | None) -> None:
    if made.verdict == "not shown":
        st.info(wording.plain(made.sentence), icon=":material/info:")
        return
    st.image(
        views.heat(seen, made.at(*seen.picture.shape[:2]), box),
        width="stretch",
        alt=f"Where the model looked for {name}",
    )
    whole = made.window.height == made.shape[0] and made.window.width == made.shape[1]
    part = "" if whole else f" Looked at: {made.window.width} × {made.window.height} pixels."
    st.caption(f"{wording.plain(made.sentence)}{part}")
