"""Who is there, and whether they may be: asked on the first line of each page and live part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, final

import streamlit as st

from engine.errors import NotAllowedError, NotSignedInError
from engine.people import permissions
from engine.people.actors import NOBODY, VISITOR, Actor
from engine.settings import Settings
from ui_streamlit.studio import addresses
from ui_streamlit.studio.attempts import attempt

if TYPE_CHECKING:
    from engine.workbench import Workbench

__all__ = ["Visit", "arrive", "live", "visit"]

_Rest = ParamSpec("_Rest")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One run of a page: who is there and the workbench they stand at."""

    actor: Actor
    workbench: Workbench

    @property
    def is_open(self) -> bool:
        """Whether this server asks nobody to sign in."""
        return self.actor.id == VISITOR.id

    def may(self, action: str) -> bool:
        """Say whether a button for ``action`` is worth showing."""
        return permissions.allowed(self.actor, action)

    def require(self, action: str) -> None:
        """Return when ``action`` is allowed; the engine is asked again, whatever was shown.

        Raises
        ------
        NotSignedInError, NotAllowedError
            As :func:`engine.people.permissions.require`.
        """
        permissions.require(self.actor, action)


def arrive() -> Visit:
    """Return who is there, allowed or not; the actor is ``NOBODY`` without a valid session."""
    from engine.workbench import shared_workbench  # opens the store: not at import

    workbench = shared_workbench(Settings.from_env())
    address = request_address()
    if not workbench.settings.auth:
        return Visit(actor=replace(VISITOR, address=address), workbench=workbench)
    from engine.people.sessions import COOKIE

    token = request_cookies().get(COOKIE, "")
    actor = workbench.sessions.actor_of(token, address=address) if token else None
    return Visit(actor=actor or NOBODY, workbench=workbench)


def visit(action: str) -> Visit:
    """Return the visit when ``action`` is allowed; else show why not and stop the page here."""
    arrived = arrive()
    try:
        arrived.require(action)
    except NotSignedInError:
        _show_signed_out(arrived)
        st.stop()
    except NotAllowedError as error:
        _show_forbidden(arrived, str(error))
        st.stop()
    return arrived


def live(
    action: str, *, every_s: float
) -> Callable[[Callable[Concatenate[Visit, _Rest], None]], Callable[_Rest, None]]:
    """Make a part of a page that refreshes itself every ``every_s`` seconds, and nothing else does.

    The part gets the visit as its first argument. Permission is asked at each refresh: somebody
    who signed out in another tab sees no more. What fails in it is shown in it.
    """

    def decorate(draw: Callable[Concatenate[Visit, _Rest], None]) -> Callable[_Rest, None]:
        @wraps(draw)
        def part(*args: _Rest.args, **kwargs: _Rest.kwargs) -> None:
            with attempt():
                draw(visit(action), *args, **kwargs)

        return st.fragment(part, run_every=every_s)

    return decorate


def request_cookies() -> Mapping[str, str]:
    """Return the cookies that the browser sent when it connected."""
    return st.context.cookies


def request_address() -> str:
    """Return the network address that the browser connected from, empty when unknown."""
    return st.context.ip_address or ""


def _show_signed_out(arrived: Visit) -> None:
    with st.container(border=True, key="lb-empty-visit", horizontal_alignment="center"):
        st.markdown("### :material/login: You are signed out", width="content")
        st.markdown("What you saved is safe. Sign in to go on where you were.", width="content")
        root = arrived.workbench.settings.root_path
        addresses.button("Sign in", addresses.sign_in(root, st.context.url or ""))


def _show_forbidden(arrived: Visit, why: str) -> None:
    with st.container(border=True, key="lb-empty-visit", horizontal_alignment="center"):
        st.markdown("### :material/lock: Not for your role", width="content")
        st.markdown(why, width="content", text_alignment="center")
        st.caption(f"You are signed in as {arrived.actor.name}.", width="content")
