"""Who asks for something: a signed-in person, the visitor of an open server, or the server itself.

An actor is what every page, endpoint and job hands down; it carries no secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, final, get_args

from engine.errors import RequestError

__all__ = ["NOBODY", "ROLES", "SYSTEM", "VISITOR", "Actor", "Role", "role_of"]

Role = Literal["ADMIN", "UPLOADER", "ANNOTATOR", "REVIEWER"]
"""ADMIN runs the place, UPLOADER brings pictures in, ANNOTATOR marks them, REVIEWER approves."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)

_OLDER_SPELLINGS: Final = {"ANNONATOR": "ANNOTATOR"}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """One who acts; ``role`` is ``None`` for somebody who has not signed in.

    ``address`` is the network address as the server saw it, empty for work without a visitor.
    """

    id: str
    name: str
    role: Role | None
    address: str = ""

    @property
    def is_signed_in(self) -> bool:
        """Whether anybody stands behind this actor."""
        return self.role is not None


VISITOR: Final = Actor(id="visitor", name="Visitor", role="ADMIN")
"""Everybody on a server without sign-in (``LIGHTBOX_AUTH=off``): everything is allowed."""

SYSTEM: Final = Actor(id="system", name="Lightbox", role="ADMIN")
"""The server itself: schedules, reapers, the command line."""

NOBODY: Final = Actor(id="", name="Not signed in", role=None)
"""Somebody who has not signed in where sign-in is asked for."""


def role_of(text: str) -> Role:
    """Return the role of that name, whatever its case; ``ANNONATOR`` is read as ANNOTATOR.

    Raises
    ------
    RequestError
        When there is no such role.
    """
    name = text.strip().upper()
    name = _OLDER_SPELLINGS.get(name, name)
    for role in ROLES:
        if role == name:
            return role
    raise RequestError(f"'role' must be one of {', '.join(ROLES)}, but is {text[:40]!r}.")
