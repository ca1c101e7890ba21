"""What a visitor sees when something goes wrong: our own sentences, never a trace."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from engine.errors import LightboxError
from ui_streamlit.studio.wording import plain

__all__ = ["attempt", "show_uncaught"]

_log = logging.getLogger(__name__)


@contextmanager
def attempt() -> Iterator[None]:
    """Show what goes wrong inside as a sentence; what follows the block still runs.

    A ``LightboxError`` is shown as it reads. Anything else is a bug: the visitor gets a general
    sentence with a reference, the log gets the same reference and the trace. Streamlit's own
    signals (stop, rerun) pass through.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 – the last one who can keep a trace from a visitor
        show_uncaught(error)


def show_uncaught(error: Exception) -> bool:
    """Show ``error`` as :func:`attempt` does; the studio's server calls it for all the rest.

    Returns ``True``: nothing else need be shown.
    """
    if isinstance(error, LightboxError):
        st.error(plain(str(error)), icon=":material/error:")
        return True
    reference = secrets.token_hex(4)
    _log.error("studio page failed, reference %s", reference, exc_info=error)
    st.error(
        "Something went wrong on our side; nothing that was saved is lost. Reload the page. "
        f"If it happens again, give the administrator this reference: {reference}.",
        icon=":material/error:",
    )
    return True
