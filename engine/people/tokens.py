"""Tokens for programs (``Authorization: Bearer``): JSON Web Tokens (RFC 7519), HS256 and no other.

A token says who and until when. What its owner may do is read from the record at each use, and it
ends early when the account is disabled or its password changed.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final, final

from engine.people.actors import Actor
from engine.people.owners import actor_for, standing
from engine.people.secret_files import token_key
from engine.settings import Settings
from engine.store import Store, new_id, now
from engine.store.records import User

__all__ = ["Tokens"]

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "lightbox"
_LONGEST: Final = 4096

_log = logging.getLogger(__name__)


@final
class Tokens:
    """Makes tokens and tells whose they are; safe to share between threads."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._key: bytes | None = None

    def issue(self, user: User) -> tuple[str, int]:
        """Return a token of ``user`` and the seconds for which it holds."""
        import jwt

        seconds = self._settings.token_expiry_s
        moment = now()
        claims = {
            "iss": _ISSUER,
            "sub": user.id,
            "iat": moment,
            "exp": moment + timedelta(seconds=seconds),
            "jti": new_id(),
            "standing": standing(user),
        }
        return jwt.encode(claims, self._signing_key(), algorithm=_ALGORITHM), seconds

    def actor_of(self, token: str, *, address: str = "") -> Actor | None:
        """Return whose token it is; ``None`` when it is none of ours, has ended or was revoked."""
        import jwt

        if len(token) > _LONGEST:
            return None
        try:
            claims = jwt.decode(
                token,
                self._signing_key(),
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                options={"require": ["exp", "iat", "iss", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            _log.info("A token was refused: %s", type(error).__name__)
            return None
        user = self._store.users.read().get(str(claims["sub"]))
        if user is None or claims.get("standing") != standing(user):
            return None
        return actor_for(user, address=address)

    def _signing_key(self) -> bytes:
        if self._key is None:
            self._key = token_key(self._settings)
        return self._key
