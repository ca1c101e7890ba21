"""Gradio's bookkeeping, cut down to what a page without saved sessions needs.

Gradio keeps the last value of every component for each of 10 000 sessions, so that a session can
be saved as a link; here that would be pictures of faces. It also sums up its statistics with a data
frame after each event, which costs more than a frame of the webcam.
"""

from __future__ import annotations

from typing import Any, final

import gradio as gr
from fastapi import FastAPI
from gradio.routes import App
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import LRUCache

__all__ = ["forget_values", "keep_no_statistics"]

_SESSIONS = 256
"""Sessions and unread answers that are kept; far more than the queue lets in."""


@final
class _ForgetfulSession(SessionState):
    """A session that keeps no values of its components."""

    def _update_value_in_config(self, key: int, value: Any) -> None:  # noqa: ANN401 – as Gradio
        del key, value


@final
class _ForgetfulHolder(StateHolder):
    """Sessions that keep no values; the ones used longest ago go first."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _ForgetfulSession(self.blocks)
        return super().__getitem__(session_id)


def forget_values(app: FastAPI, blocks: gr.Blocks) -> None:
    """Let the application that was mounted on ``app`` keep nothing that a visitor sent."""
    blocks.state_session_capacity = _SESSIONS
    holder = _ForgetfulHolder()  # type: ignore[no-untyped-call]  # Gradio has no type there
    holder.set_blocks(blocks)
    mounted = (getattr(route, "app", None) for route in app.routes)
    inner = next(one for one in mounted if isinstance(one, App) and one.blocks is blocks)
    inner.state_holder = holder
    blocks._queue.pending_messages_per_session = LRUCache(_SESSIONS)  # noqa: SLF001 – no setting


def keep_no_statistics(blocks: gr.Blocks) -> None:
    """Let the queue of ``blocks`` do without statistics of its events."""
    queue = blocks._queue  # noqa: SLF001 – there is no setting for it
    queue.ANALYTICS_MAX_EVENTS = 1
    queue.ANAYLTICS_CACHE_FREQUENCY = 2**62  # the misspelling is Gradio's
