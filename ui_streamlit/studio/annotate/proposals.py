"""Auto-mask: proposals for the part that is seen, looked at first, then taken over or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from engine.annotation.automask import ProposedRegion
from engine.catalogue.proposing import (
    Proposed,
    Way,
    accept,
    open_regions,
    propose,
    propose_by_model,
    shown,
)
from engine.store.records import Image
from ui_streamlit.studio.annotate.board import tab
from ui_streamlit.studio.annotate.choices import chosen_state, colours_of, label_of
from ui_streamlit.studio.annotate.sheets import change, sheet_for
from ui_streamlit.studio.annotate.tapping import tapped
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.visits import Visit
from ui_streamlit.studio.wording import percent

__all__ = ["draw_proposals"]

_KEY: Final = "annotate-proposed"
_DOUBT: Final = "annotate-doubt"
_BUTTONS: Final[tuple[tuple[Way, str, str], ...]] = (
    ("scribbles", "Learn from my scribbles", "school"),
    ("tissue", "Find tissue", "blur_on"),
    ("stain", "Find what is stained", "colorize"),
    ("gaps", "Close gaps", "join_inner"),
    ("between", "Fill between slices", "layers"),
    ("model", "Ask the model", "auto_awesome"),
)


def draw_proposals(here: Visit, image: Image, width: int) -> None:
    """Draw the buttons that ask for a proposal, and the proposal there is."""
    with card("proposals"):
        st.subheader("Auto-mask", anchor=False)
        st.caption(
            "For the part that you see. To teach, paint a little of at least two states first. "
            "What is found by stain gets the state that is chosen above."
        )
        with st.container(horizontal=True, gap="xsmall"):
            for way, label, icon in _BUTTONS:
                if way == "between" and not here.workbench.annotation.is_slice(image):
                    continue
                if st.button(label, icon=f":material/{icon}:", key=f"annotate-way-{way}"):
                    _propose(here, image, width, way)
        proposed = st.session_state.get(_KEY)
        if isinstance(proposed, Proposed) and proposed.image_id == image.id:
            _draw_proposed(here, image, width, proposed)


def _propose(here: Visit, image: Image, width: int, way: Way) -> None:
    st.session_state.pop(_KEY, None)
    with attempt(), st.spinner("Looking …"):
        state = min(chosen_state(), len(here.workbench.annotation.classes(image)) - 1)
        box = sheet_for(image, width).box
        annotation, predicting = here.workbench.annotation, here.workbench.predicting
        st.session_state[_KEY] = (
            propose_by_model(annotation, predicting, image.id, here.actor, box, state=state)
            if way == "model"
            else propose(annotation, image.id, here.actor, box, way=way, state=state)
        )


def _draw_proposed(here: Visit, image: Image, width: int, proposed: Proposed) -> None:
    annotation, proposal = here.workbench.annotation, proposed.proposal
    classes = annotation.classes(image)
    st.markdown(proposal.sentence)
    doubt = False
    if proposal.uncertainty is not None:
        st.caption(f"Doubt: {percent(proposal.doubt)} on average. Paint next in the yellow frame.")
        doubt = st.toggle(
            "Show where it is unsure", key=_DOUBT, help="The brighter a place, the less certain."
        )
    sheet = sheet_for(image, width)
    small = min(sheet.width, 480)
    high = max(1, round(small * proposed.box.height / proposed.box.width))
    regions = open_regions(annotation, proposed, here.actor)
    seen = shown(
        annotation,
        proposed,
        here.actor,
        colours=colours_of(classes),
        width=small,
        height=high,
        doubt=doubt,
        regions=regions,
    )
    place = tapped(seen, width=small, alt="The proposal", key="annotate-tapped")
    if place is not None:
        x, y = place[0] * proposed.box.width, place[1] * proposed.box.height
        _accept(here, proposed, None, classes, at=(x, y))
    with st.container(horizontal=True, gap="xsmall"):
        if st.button("Accept all", type="primary", key="annotate-accept"):
            _accept(here, proposed, None, classes)
        for state in proposal.states:
            if state < len(classes) and st.button(
                f"Accept {label_of(state, classes).lower()}", key=f"annotate-accept-{state}"
            ):
                _accept(here, proposed, state, classes)
        if proposed.next_box is not None and st.button("Paint here next", key="annotate-next"):
            change(proposed.next_box)
            st.rerun()
        if st.button("Discard", key="annotate-discard"):
            del st.session_state[_KEY]
            st.rerun()
    _draw_regions(here, proposed, regions, classes)


def _draw_regions(
    here: Visit,
    proposed: Proposed,
    regions: Sequence[ProposedRegion],
    classes: tuple[str, ...],
) -> None:
    """Draw a button for each numbered region."""
    if not regions:
        st.caption("All that is proposed here is annotated already.")
        return
    st.caption("Tap a region in the picture to accept it alone, or choose it by its number.")
    with st.container(horizontal=True, gap="xsmall"):
        for number, region in enumerate(regions, start=1):
            doubt = "" if region.doubt is None else f", {percent(region.doubt)} unsure"
            if st.button(
                f"{number}: {label_of(region.state, classes).lower()}",
                help=f"{region.area_px:,} pixels{doubt}",
                key=f"annotate-region-{number}",
            ):
                _accept(here, proposed, None, classes, at=(region.x, region.y))


def _accept(
    here: Visit,
    proposed: Proposed,
    state: int | None,
    classes: tuple[str, ...],
    *,
    at: tuple[float, float] | None = None,
) -> None:
    with attempt():
        drawn = accept(
            here.workbench.annotation, proposed, here.actor, tab=tab(), state=state, at=at
        )
        what = "the proposal" if state is None else label_of(state, classes).lower()
        what = what if at is None else "the region"
        nothing = "All of it was annotated." if at is None else "Nothing to take over there."
        tell(f"Took over {what}; undo takes it back." if drawn else nothing)
        if state is None and at is None:
            del st.session_state[_KEY]
        change()
        st.rerun()
