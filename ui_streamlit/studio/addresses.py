"""Links from the studio to the other pages of the same server, in the same tab."""

from __future__ import annotations

from html import escape
from urllib.parse import quote, urlsplit

import streamlit as st

__all__ = ["button", "link", "sign_in"]


def sign_in(root_path: str, here: str) -> str:
    """Return the address of the sign-in page that leads back to ``here``, a page of this server.

    >>> sign_in("/lab", "http://host:1/lab/studio/jobs?job=a")
    '/lab/login?next=/lab/studio/jobs%3Fjob%3Da'
    """
    parts = urlsplit(here)
    path = parts.path or f"{root_path}/studio/"
    back = f"{path}?{parts.query}" if parts.query else path
    return f"{root_path}/login?next={quote(back)}"


def link(text: str, address: str) -> str:
    """Return HTML of a link that stays in this tab, for ``st.html``."""
    return f'<a href="{escape(address)}" target="_self">{escape(text)}</a>'


def button(text: str, address: str) -> None:
    """Draw a link that looks like a button."""
    st.html(
        f'<a class="lb-button" href="{escape(address)}" target="_self">{escape(text)}</a>',
        width="content",
    )
