"""Choosing a password: the two lines of a form, and whether they say the same."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from api.pages.forms import Field
from engine.errors import LightboxError, RequestError
from engine.people import passwords

__all__ = ["new_password_fields", "require_twice"]


def new_password_fields(
    error: LightboxError | None, *, label: str = "Password"
) -> tuple[Field, Field]:
    """Return the two lines in which somebody chooses a password."""
    is_wrong = "password" in str(error or "")
    return (
        Field(
            name="password",
            label=label,
            kind="password",
            autocomplete="new-password",
            hint=passwords.rules(),
            min_length=passwords.LEAST,
            is_wrong=is_wrong,
        ),
        Field(
            name="again",
            label="The same once more",
            kind="password",
            autocomplete="new-password",
            is_wrong=is_wrong,
        ),
    )


def require_twice(password: str, sent: Mapping[str, str]) -> None:
    """Return when the second line of the form says the same as the first.

    Raises
    ------
    RequestError
        Otherwise.
    """
    if not hmac.compare_digest(password.encode(), sent.get("again", "").encode()):
        raise RequestError("The two lines of the new password differ; type the same one twice.")
