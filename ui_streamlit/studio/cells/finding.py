"""The detector's panel: which one, its settings live, presets, and keeping what it finds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

import streamlit as st

from engine.cells.detecting import BACKENDS, limits_of, parameters_of
from engine.cells.detectors import Backend
from engine.cells.results import CellsFound
from engine.errors import MissingBackendError
from engine.store.records import Image
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.cells.pixels import pixels_of, scale_for, with_boxes
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.visits import Visit, visit

__all__ = ["draw_detector"]

_NAMES: Final = {"network": "Network: red, white, platelets", "opencv": "Rules: lymphocytes"}
_WORDS: Final = {
    "downscale": "Reduce the picture first, by",
    "threshold": "Stain from which a pixel is nucleus (0: found out)",
    "smallest_px": "Smallest nucleus, diameter in px",
    "largest_px": "Largest nucleus, diameter in px",
    "join_px": "Join lobes closer than, px",
    "split": "Cut touching nuclei at necks below",
    "roundness": "Lymphocyte: roundness from",
    "solidity": "Lymphocyte: solidity from",
    "nucleus_share": "Lymphocyte: nucleus over cell from",
    "scale": "Enlarge before looking, by (0: found out)",
    "least_confidence": "Leave out below confidence (0: the model's own limits)",
}
_OTHER: Final = "#808080"


@st.fragment
def draw_detector(image: Image, colours: Mapping[str, str]) -> None:
    """Draw the panel; each moved slider answers at once, and nothing is kept unasked."""
    with attempt():
        here = visit("cells.detect")
        backend: Backend = st.segmented_control(
            "Detector",
            BACKENDS,
            default="network",
            required=True,
            format_func=lambda name: _NAMES[name],
            key=f"cells-backend-{image.id}",
        )
        place = f"cells-set-{image.id}-{backend}"
        values = _draw_settings(here, backend, place)
        _draw_found(here, image, backend, values, colours)


def _draw_settings(here: Visit, backend: Backend, place: str) -> dict[str, float]:
    """Draw a slider for each parameter; return their values."""
    start = parameters_of(backend, st.session_state.get(place))
    version = st.session_state.get(f"{place}-version", 0)
    values = {}
    with st.expander("Settings and presets", icon=":material/tune:"):
        for name, (low, high) in limits_of(backend).items():
            values[name] = st.slider(
                _WORDS[name],
                float(low),
                float(high),
                float(start[name]),
                key=f"{place}-{name}-{version}",
            )
        _draw_presets(here, backend, place, values)
    return parameters_of(backend, values)


def _draw_presets(here: Visit, backend: Backend, place: str, values: dict[str, float]) -> None:
    presets = here.workbench.cells.presets
    known = {one.name: one for one in presets.all(here.actor, backend)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Preset", ["Defaults", *known], key=f"{place}-preset", width=240)
        if st.button("Use it", key=f"{place}-use", icon=":material/download_done:"):
            kept = dict(known[chosen].parameters) if chosen in known else {}
            _set_all(place, kept)
        if chosen in known and st.button("Delete", key=f"{place}-drop", icon=":material/delete:"):
            with attempt():
                presets.remove(here.actor, known[chosen].id)
                tell(f"The preset {chosen} was deleted.")
                st.rerun()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Save these settings as", key=f"{place}-name", width=240)
        if st.button("Save", key=f"{place}-save", icon=":material/save:"):
            with attempt():
                presets.save(here.actor, name=name, backend=backend, parameters=values)
                tell(f"Saved as {name.strip()}.")
                st.rerun()


def _set_all(place: str, values: dict[str, float]) -> None:
    """Move all sliders: they are made anew, from other values."""
    st.session_state[place] = values
    st.session_state[f"{place}-version"] = st.session_state.get(f"{place}-version", 0) + 1
    st.rerun()


def _draw_found(
    here: Visit,
    image: Image,
    backend: Backend,
    values: dict[str, float],
    colours: Mapping[str, str],
) -> None:
    picture = pixels_of(here, image.id, image.sha256)
    began = time.perf_counter()
    try:
        found = here.workbench.cells.pictures.detect(here.actor, picture, backend, values)
    except MissingBackendError as error:
        st.warning(wording.plain(str(error)))
        return
    took_ms = 1000 * (time.perf_counter() - began)
    counts = ", ".join(f"{number} {name}" for name, number in sorted(found.counts().items()))
    st.markdown(f"**{wording.plain(counts or 'No cells')}** · {took_ms:.0f} ms · {found.detector}")
    for note in found.notes:
        st.caption(note)
    lines = [
        (one.x, one.y, one.width, one.height, colours.get(one.label, _OTHER)) for one in found.cells
    ]
    st.image(
        with_boxes(picture, lines, scale_for(image.width_px)),
        width="stretch",
        alt="The picture with what the detector found",
    )
    if here.may("cells.annotate") and st.button(
        "Keep these cells",
        key=f"cells-keep-{image.id}",
        type="primary",
        icon=":material/check:",
        help="They take the place of a detector's earlier cells; what people marked stays.",
    ):
        with attempt():
            tell(f"{wording.count(_kept(here, image, found), 'cell')} kept.")
            st.rerun()


def _kept(here: Visit, image: Image, found: CellsFound) -> int:
    boxes = [
        ((one.x, one.y, one.width, one.height), one.label, one.confidence) for one in found.cells
    ]
    return here.workbench.cells.marks.put_found(here.actor, image.id, boxes)
