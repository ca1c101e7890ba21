"""An answer that is kept: looked at, compared with a person's mask, opened elsewhere, forgotten."""

from __future__ import annotations

from html import escape

import streamlit as st

from engine.catalogue.predicting import Compared, Seen, views
from engine.errors import NotFoundError
from engine.store.records import Image, Prediction
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import Question, ask
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import empty
from ui_streamlit.studio.predict.shown import Shown, draw_shown
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_kept"]


def draw_kept(here: Visit, prediction_id: str) -> None:
    """Draw the answer with that id."""
    predicting = here.workbench.predicting
    try:
        prediction = predicting.get(here.actor, prediction_id)
    except NotFoundError:
        empty(
            "This answer is not here",
            "The picture was removed, the model was asked again, or the link is wrong.",
            icon=":material/search_off:",
        )
        return
    image = predicting.image(here.actor, prediction.image_id)
    _draw_ways_out(here, prediction, image)
    if prediction.status == "failed":
        st.error(wording.plain(prediction.error), icon=":material/error:")
        return
    if prediction.image_sha256 != image.sha256:
        st.warning("The picture was changed since; ask again.", icon=":material/warning:")
        return
    with attempt():
        seen = _seen(here, prediction.id)
        shown = Shown(
            key=prediction.id,
            name=image.name,
            seen=seen,
            measures=prediction.measures,
            doubt=prediction.doubt,
            seconds=prediction.seconds,
            model=prediction.model,
            about=prediction.id,
            size=(image.width_px, image.height_px),
            pixel_size_um=prediction.pixel_size_um,
            export=lambda form: predicting.export(here.actor, prediction.id, form),
        )
        more = {}
        if here.may("masks.view"):
            more["With a person's mask"] = lambda: _draw_comparison(here, prediction, seen)
        draw_shown(here, shown, more=more)


def _draw_ways_out(here: Visit, prediction: Prediction, image: Image) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if here.may("masks.view") and image.dataset_id:
            st.page_link(
                page("annotate"),
                label="Open in Annotate",
                icon=":material/draw:",
                query_params={"image": image.id},
            )
        if image.dataset_id:
            st.page_link(
                page("datasets"),
                label="The picture",
                icon=":material/image:",
                query_params={"dataset": image.dataset_id, "image": image.id},
            )
        st.space("stretch")
        mine = prediction.created_by == here.actor.id
        if (mine or here.may("models.manage")) and st.button(
            "Forget this answer …", icon=":material/delete:", key="predict-forget"
        ):
            _ask_forget(prediction)


def _ask_forget(prediction: Prediction) -> None:
    def forget(there: Visit) -> str:
        there.workbench.predicting.remove(there.actor, prediction.id)
        st.query_params.clear()
        return "The answer was removed. The picture and its masks are as they were."

    ask(
        Question(
            title="Forget this answer?",
            text="The model can be asked again at any time.",
            lost=(f"What {wording.plain(prediction.model)} said about this picture",),
            button="Forget it",
            action="models.predict",
            act=forget,
        )
    )


def _draw_comparison(here: Visit, prediction: Prediction, seen: Seen) -> None:
    found = here.workbench.predicting.compare(here.actor, prediction.id)
    if found is None:
        st.info(
            "Nobody has drawn a mask of this picture yet; open it in Annotate to draw one.",
            icon=":material/draw:",
        )
        return
    st.html(_table(found))
    if found.sentence:
        st.caption(wording.plain(found.sentence))
    share = found.looked_px / found.pixels
    st.caption(
        f"Against revision {found.mask.revision} ({found.mask.origin}, {found.mask.state}), over "
        f"the {100 * share:.0f} % of the picture that are annotated."
    )
    st.image(
        views.differences(seen, found.truth, found.predicted),
        width="stretch",
        alt="Where the model and the person agree and where not",
    )
    legend = (
        ("#009e73", "both"),
        ("#d55e00", "missed, or another class"),
        ("#0072b2", "the model alone"),
    )
    dots = "".join(
        f'<span style="margin-right:1rem;white-space:nowrap"><span class="lb-dot" '
        f'style="background:{colour}"></span>{text}</span>'
        for colour, text in legend
    )
    st.html(f'<p class="lb-line" style="justify-content:flex-start">{dots}</p>')


def _table(found: Compared) -> str:
    rows = "".join(
        f'<tr><td>{escape(row.name)}</td><td class="n">{_share(row.dice)}</td>'
        f'<td class="n">{_share(row.iou)}</td><td class="n">{row.person_px:,}</td>'
        f'<td class="n">{row.model_px:,}</td></tr>'
        for row in found.rows
    )
    return (
        '<table class="lb-table"><thead><tr><th>Class</th><th class="n">Dice</th>'
        '<th class="n">IoU</th><th class="n">Person, px</th><th class="n">Model, px</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _share(value: float) -> str:
    return "–" if value != value else f"{value:.3f}"  # NaN is unequal to itself


# Few and for a short time: whoever sees it was asked for permission before.
@st.cache_resource(max_entries=6, ttl=600, show_spinner=False)
def _seen(_here: Visit, prediction_id: str) -> Seen:
    return _here.workbench.predicting.seen(_here.actor, prediction_id)
