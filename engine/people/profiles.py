"""What an account says about a person, checked before it is kept."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, final

from engine.errors import RequestError

__all__ = ["Profile", "checked", "email_key"]

# One @ with something on both sides; whether mail arrives there, only a mail can tell.
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f<>\"',;:\\()]{1,64}@[^@\s\x00-\x1f\x7f<>\"',;\\()]+")
_JOINERS: Final = str.maketrans("", "", "\u200c\u200d")  # some scripts need them inside a name


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a person tells of themselves."""

    name: str
    email: str
    hospital: str = ""
    location: str = ""


def email_key(email: str) -> str:
    """Return the form in which an e-mail is kept and compared: ``" A@B.org " -> "a@b.org"``."""
    return unicodedata.normalize("NFC", email).strip().casefold()


def checked(profile: Profile) -> Profile:
    """Return the profile as it is kept: trimmed, the e-mail in its one form.

    Raises
    ------
    RequestError
        When a field cannot be used; the message names the field, never an e-mail.
    """
    email = email_key(profile.email)
    if len(email) > 254 or not _EMAIL.fullmatch(email):
        raise RequestError("'email' must be an address such as name@clinic.example; correct it.")
    if not profile.name.strip():
        raise RequestError("'name' is empty; say how the person is called.")
    return Profile(
        name=_line("name", profile.name),
        email=email,
        hospital=_line("hospital", profile.hospital),
        location=_line("location", profile.location),
    )


def _line(field: str, text: str) -> str:
    line = unicodedata.normalize("NFC", text).strip()
    if len(line) > 100:
        raise RequestError(f"'{field}' may have 100 characters, but has {len(line)}.")
    if not line.translate(_JOINERS).isprintable():
        raise RequestError(f"'{field}' must be one line of readable characters; type it anew.")
    return line
