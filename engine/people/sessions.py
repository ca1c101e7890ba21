"""Sign-ins of browsers: a signed, opaque token in a cookie, and a record that knows its hash.

::

    1.SESSION-ID.SECRET.SIGNATURE

The signature keeps guesses away from the records; the secret is kept as a hash only, so that who
reads the records cannot sign in with them. A session ends when it is not used for some hours,
after 30 days, on sign-out, and when the account is disabled or its password changed.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, final

from engine.errors import LightboxError
from engine.people.actors import Actor
from engine.people.owners import actor_for
from engine.people.secret_files import session_key
from engine.settings import Settings
from engine.store import Store, now
from engine.store.records import Session, User

__all__ = ["COOKIE", "Sessions"]

COOKIE: Final = "lightbox_session"

_FORM: Final = re.compile(r"(1\.([0-9a-z]{26})\.([A-Za-z0-9_-]{43}))\.([0-9a-f]{64})", re.ASCII)
_LONGEST: Final = timedelta(days=30)
_RENEWED_AFTER: Final = timedelta(minutes=1)

_log = logging.getLogger(__name__)


@final
class Sessions:
    """Opens, recognises and closes sign-ins; safe to share between threads and processes."""

    def __init__(
        self, store: Store, settings: Settings, *, clock: Callable[[], datetime] = now
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._key: bytes | None = None

    @property
    def longest_s(self) -> int:
        """Seconds for which a browser should keep the cookie; the record may end earlier."""
        return int(_LONGEST.total_seconds())

    def open(self, user: User, *, address: str = "", agent: str = "") -> str:
        """Return the token of a new session of ``user``, for the cookie.

        ``agent`` is what the browser calls itself, shown to its owner.
        """
        secret = secrets.token_urlsafe(32)
        moment = self._clock()
        session = Session(
            created_at=moment,
            user_id=user.id,
            token_hash=_hash_of(secret),
            expires_at=moment + self._idle,
            last_seen_at=moment,
            address=address,
            agent=agent[:200],
        )
        with self._store.sessions.transaction() as sessions:
            for old in sessions.values():
                if old.expires_at < moment:
                    sessions.remove(old.id)
            sessions.put(session)
        text = f"1.{session.id}.{secret}"
        return f"{text}.{self._signature(text)}"

    def actor_of(self, token: str, *, address: str = "") -> Actor | None:
        """Return who signed in with ``token``; ``None`` when it is not, or no longer, good.

        A cached read; the record is written at most once a minute, to renew the session.
        """
        session = self._session_of(token)
        moment = self._clock()
        if session is None or not _is_open(session, moment):
            return None
        user = self._store.users.read().get(session.user_id)
        if user is None or (user.tokens_valid_from and session.created_at < user.tokens_valid_from):
            return None
        actor = actor_for(user, address=address)
        if actor and moment - (session.last_seen_at or session.created_at) > _RENEWED_AFTER:
            self._renew(session.id, moment)
        return actor

    def close(self, token: str) -> None:
        """Sign out: the token is never good again. One that is none of ours is passed over."""
        session = self._session_of(token)
        if session is not None:
            with self._store.sessions.transaction() as sessions:
                sessions.remove(session.id)

    def close_all(self, user_id: str) -> int:
        """Sign ``user_id`` out everywhere; return how many sessions that ended."""
        with self._store.sessions.transaction() as sessions:
            own = sessions.where(user_id=user_id)
            for session in own:
                sessions.remove(session.id)
        return len(own)

    def of_user(self, user_id: str) -> tuple[Session, ...]:
        """Return the open sessions of ``user_id``, the one used last first."""
        moment = self._clock()
        own = self._store.sessions.read().where(user_id=user_id)
        is_open = [session for session in own if _is_open(session, moment)]
        return tuple(sorted(is_open, key=lambda one: one.last_seen_at or moment, reverse=True))

    @property
    def _idle(self) -> timedelta:
        return timedelta(hours=self._settings.session_hours)

    def _session_of(self, token: str) -> Session | None:
        match = _FORM.fullmatch(token[:200])
        if match is None or not hmac.compare_digest(self._signature(match[1]), match[4]):
            return None
        session = self._store.sessions.read().get(match[2])
        if session is None or not hmac.compare_digest(session.token_hash, _hash_of(match[3])):
            return None
        return session

    def _renew(self, session_id: str, moment: datetime) -> None:
        """Move the end; a full disk or a busy store must not end what the visitor does."""
        try:
            with self._store.sessions.transaction() as sessions:
                session = sessions.get(session_id)
                if session is not None:  # it may have been closed meanwhile
                    end = min(moment + self._idle, session.created_at + _LONGEST)
                    sessions.put(replace(session, last_seen_at=moment, expires_at=end))
        except LightboxError as error:
            _log.warning("A session could not be renewed: %s", type(error).__name__)

    def _signature(self, text: str) -> str:
        if self._key is None:  # made at the first sign-in, not when a server without any starts
            self._key = session_key(self._settings)
        return hmac.new(self._key, b"lightbox session " + text.encode(), hashlib.sha256).hexdigest()


def _is_open(session: Session, moment: datetime) -> bool:
    end = min(session.expires_at, session.created_at + _LONGEST)
    return session.closed_at is None and moment < end


def _hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
