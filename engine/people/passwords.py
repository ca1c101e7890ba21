"""What a password must be, how it is kept, and how one is compared with what was kept.

bcrypt reads 72 bytes at most and stops at a zero byte, so that it gets a keyed digest of the
password instead: 44 characters that stand for all of it, however long it is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
from typing import Final

from engine.errors import RequestError

__all__ = ["LEAST", "MOST", "ROUNDS", "check_rules", "fits", "hashed", "is_outdated", "rules"]

ROUNDS: Final = 12
"""bcrypt's cost: 2 to the power of it turns, about a quarter of a second."""

LEAST: Final = 10
MOST: Final = 256
"""Fewest and most characters of a password."""

_OURS: Final = "sha256:"
_CONTEXT: Final = b"lightbox password"  # so that no plain SHA-256 from elsewhere fits
# A hash that no password has, compared with when there is none: it takes the same time.
_NOBODYS: Final = "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde"
# The most used of public lists of stolen passwords that are long enough to pass otherwise.
_GUESSED_FIRST: Final = """
1234567890 0123456789 9876543210 0987654321 12345678910 123456789a 1q2w3e4r5t 1qaz2wsx3edc
qwertyuiop qwertzuiop azertyuiop asdfghjkl; q1w2e3r4t5 password12 password123 password1234
passwordpassword passw0rd123 p@ssw0rd123 iloveyou12 iloveyou123 administrator admin12345
admin123456 welcome123 letmein123 changeme123 changemenow correcthorsebatterystaple
lightbox123 lightbox1234
"""
_COMMON: Final = frozenset(_GUESSED_FIRST.split())


def rules() -> str:
    """Return what a password must be, in one sentence to show beside its field."""
    return (
        f"At least {LEAST} characters, of which 5 differ; any characters, blanks too. Not one of "
        "the passwords that everybody guesses first, and not made of your name or e-mail."
    )


def check_rules(password: str, *, email: str = "", name: str = "") -> None:
    """Return when ``password`` may be used by the person with this e-mail and name.

    Raises
    ------
    RequestError
        Otherwise; the message says which rule it breaks, never the password.
    """
    text = _normal(password)
    if len(text) < LEAST:
        raise RequestError(
            f"'password' must have at least {LEAST} characters, but has {len(text)}; "
            "a few words in a row are long and easy to remember."
        )
    if len(text) > MOST:
        raise RequestError(f"'password' may have {MOST} characters, but has {len(text)}.")
    plain = text.casefold()
    if len(set(plain)) < 5:
        raise RequestError("'password' repeats few characters; use at least 5 different ones.")
    if plain in _COMMON:
        raise RequestError("'password' is one that everybody guesses first; choose another.")
    for own in _own_words(email, name):
        if own in plain and len(plain) - len(own) < 6:
            raise RequestError(
                "'password' is hardly more than your name or e-mail; choose another."
            )


def hashed(password: str, *, rounds: int = ROUNDS) -> str:
    """Return what to keep of ``password``: 67 characters of salt and hash."""
    import bcrypt

    return _OURS + bcrypt.hashpw(_digest(password), bcrypt.gensalt(rounds)).decode("ascii")


def fits(password: str, kept: str, *, rounds: int = ROUNDS) -> bool:
    """Say whether ``password`` is the one that was kept; as slowly when ``kept`` is empty.

    A plain bcrypt hash of an older service (``$2b$…``) fits as it did there.
    """
    import bcrypt

    if not kept:
        bcrypt.checkpw(_digest(password), f"$2b${rounds:02d}${_NOBODYS}".encode("ascii"))
        return False
    if kept.startswith(_OURS):
        return bcrypt.checkpw(_digest(password), kept.removeprefix(_OURS).encode("ascii"))
    try:
        return bcrypt.checkpw(password.encode()[:72], kept.encode("ascii"))
    except ValueError:  # not a hash, or a zero byte in the password
        return False


def is_outdated(kept: str, *, rounds: int = ROUNDS) -> bool:
    """Say whether a kept password should be hashed anew when its owner next types it."""
    return not kept.startswith(f"{_OURS}$2b${rounds:02d}$")


def _digest(password: str) -> bytes:
    """Return 44 characters without a zero byte that stand for the whole password."""
    digest = hmac.new(_CONTEXT, _normal(password).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest)


def _normal(password: str) -> str:
    """Return the same text whichever keyboard made it: ``e`` with an accent, one sign or two."""
    return unicodedata.normalize("NFKC", password)


def _own_words(email: str, name: str) -> tuple[str, ...]:
    words = [email, email.partition("@")[0], name, name.replace(" ", "")]
    return tuple(word.casefold() for word in words if len(word) >= 3)
