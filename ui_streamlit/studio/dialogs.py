"""Questions before something is lost, and short answers after something was done.

A dialog opened from a part that refreshes itself would close with the next refresh. So a question
is noted, the page runs anew, and the frame opens it outside of every such part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import streamlit as st

from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.visits import Visit, visit

__all__ = ["Question", "answer_question", "ask", "show_told", "tell"]

_ASKED = "studio_question"
_TOLD = "studio_told"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked before something that cannot be taken back.

    ``lost`` lists what goes, one line each; ``typed`` is a word that must be typed first (empty:
    none). ``act`` is called with the visit as it is then, after ``action`` was allowed once more;
    it returns the sentence that says what was done.
    """

    title: str
    text: str
    button: str
    action: str
    act: Callable[[Visit], str]
    lost: tuple[str, ...] = ()
    typed: str = ""


def ask(question: Question) -> None:
    """Open a dialog with ``question``; the page runs anew, so call it last."""
    st.session_state[_ASKED] = question
    st.rerun()


def tell(sentence: str) -> None:
    """Show ``sentence`` for some seconds, also when the page runs anew at once."""
    st.session_state.setdefault(_TOLD, []).append(sentence)


def answer_question() -> None:
    """Open the question that was asked and not answered yet, if any."""
    question = st.session_state.get(_ASKED)
    if question is not None:
        st.dialog(question.title, on_dismiss=_forget)(_draw)(question)


def show_told() -> None:
    """Show the sentences told since the last run."""
    for sentence in st.session_state.pop(_TOLD, []):
        st.toast(sentence, icon=":material/check_circle:")


def _draw(question: Question) -> None:
    st.write(question.text)
    if question.lost:
        st.markdown("**What will be lost**\n\n" + "\n".join(f"- {line}" for line in question.lost))
    ready = True
    if question.typed:
        label = f"Type {question.typed} to go on"
        ready = st.text_input(label, key="studio_typed", live=True).strip() == question.typed
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep everything as it is", key="studio_keep"):
            _forget()
            st.rerun()
        agreed = st.button(question.button, type="primary", disabled=not ready, key="studio_agree")
    if not agreed:
        return
    done = False
    with attempt():
        tell(question.act(visit(question.action)))
        done = True
    if done:
        _forget()
        st.rerun()


def _forget() -> None:
    st.session_state.pop(_ASKED, None)
