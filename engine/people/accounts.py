"""Accounts: how people get one, sign in, and what an administrator may do to them.

Whatever a page or route asked before, each change to another person's account is asked of
:mod:`engine.people.permissions` here again, and goes into the audit log.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final, final

from engine.errors import (
    NotAllowedError,
    NotFoundError,
    NotSignedInError,
    RequestError,
)
from engine.people import passwords
from engine.people.actors import NOBODY, SYSTEM, VISITOR, Actor, Role, role_of
from engine.people.audit import AuditLog
from engine.people.first_administrator import ensure
from engine.people.links import new_link, owner_of
from engine.people.owners import actor_for
from engine.people.permissions import require
from engine.people.profiles import Profile, checked, email_key
from engine.people.roster import (
    end_sessions,
    found,
    new_user,
    person,
    require_another_administrator,
    taken,
    unknown,
)
from engine.people.secret_files import session_key
from engine.people.tries import Tries
from engine.settings import Settings
from engine.store import Store, Transaction, now
from engine.store.records import User

__all__ = ["Accounts"]

_WRONG: Final = "E-mail and password do not fit together; check both and try again."
_LINK_GONE: Final = (
    "This link was used already, was replaced by a newer one, or is older than 24 hours; "
    "ask an administrator for a new one."
)
_SELF_CHOSEN: Final[tuple[Role, ...]] = ("ANNOTATOR", "UPLOADER")

_log = logging.getLogger(__name__)


@final
class Accounts:
    """The people of one server; safe to share between threads and processes.

    ``rounds`` is bcrypt's cost, ``clock`` gives the present moment.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        audit: AuditLog,
        *,
        rounds: int = passwords.ROUNDS,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._store = store
        self._settings = settings
        self._audit = audit
        self._rounds = rounds
        self._clock = clock
        self._counted: Tries | None = None

    def register(
        self, profile: Profile, password: str, *, role: str = "ANNOTATOR", address: str = ""
    ) -> User:
        """Make an account for somebody who asks for one; who may is ``LIGHTBOX_REGISTRATION``.

        An account that waits for an administrator is returned for a known e-mail too, so that
        nobody learns who has one; it is then not kept.

        Raises
        ------
        NotAllowedError
            When nobody may register, or not for this role.
        RequestError
            When a field or the password cannot be used, or the e-mail has an account already.
        """
        wanted = role_of(role)
        if self._settings.registration == "off":
            raise NotAllowedError(
                "Nobody can register here; ask an administrator to add you "
                "(LIGHTBOX_REGISTRATION=off)."
            )
        if wanted not in _SELF_CHOSEN:
            raise NotAllowedError(
                f"One can register as {' or '.join(_SELF_CHOSEN)}, but not as {wanted}; "
                "an administrator can change the role later."
            )
        user = self._new_user(profile, wanted, password=password)
        user = replace(user, waiting=self._settings.registration == "approve")
        actor = Actor(id=user.id, name=user.name, role=None, address=address)
        with self._store.users.transaction() as users:
            is_known = bool(users.where(email=user.email))
            if is_known and not user.waiting:
                raise taken()
            if not is_known:
                users.put(user)
        text = "Registered; waits for an administrator" if user.waiting else "Registered"
        if is_known:
            actor, text = replace(NOBODY, address=address), "An e-mail was registered once more"
        record = "" if is_known else f"users/{user.id}"
        self._audit.write(actor, "account.register", record=record, text=text)
        return user

    def sign_in(self, email: str, password: str, *, address: str = "") -> User:
        """Return the account when e-mail and password fit.

        It takes the same time for an e-mail that nobody has.

        Raises
        ------
        NotSignedInError
            When they do not fit; or when they do, but the account is disabled or waits.
        SignInPausedError
            After too many wrong passwords, whether this one is right or not.
        """
        key = email_key(email[:300])
        self._tries.begin(key, address)
        user = self._by_email(key)
        fits = self._fits(password, user)
        if user is None or not fits:
            self._refused(user, address)
            raise NotSignedInError(_WRONG)
        self._tries.forget(key, address)
        actor = person(user, address)
        if user.waiting or user.disabled:
            self._audit.write(
                actor, "account.sign_in", record=f"users/{user.id}", text="Refused: not let in"
            )
            raise NotSignedInError(
                "Your account waits for an administrator to let you in."
                if user.waiting
                else "Your account is disabled; ask an administrator."
            )
        signed_in = self._signed_in(user, password)
        self._audit.write(actor, "account.sign_in", record=f"users/{user.id}", text="Signed in")
        return signed_in

    def signed_out(self, actor: Actor) -> None:
        """Note in the audit log that somebody signed out."""
        self._audit.write(actor, "account.sign_out", record=f"users/{actor.id}", text="Signed out")

    def change_password(self, actor: Actor, old: str, new: str) -> User:
        """Give ``actor`` a new password; all sessions and tokens end, open a new one after it.

        Raises
        ------
        NotSignedInError
            When the old password is wrong.
        NotFoundError
            When there is no account behind the actor.
        RequestError
            When the new password breaks a rule or is the old one.
        SignInPausedError
            After too many wrong passwords.
        """
        require(actor, "account.password")
        user = self._store.users.read().get(actor.id)
        if user is None:
            raise NotFoundError(
                "There is no account whose password could change: this server asks nobody to "
                "sign in (LIGHTBOX_AUTH=off)."
            )
        self._tries.begin(user.email, actor.address)
        if not self._fits(old, user):
            self._refused(user, actor.address)
            raise NotSignedInError("The present password is not right; type it again.")
        self._tries.forget(user.email, actor.address)
        if old == new:
            raise RequestError("'password' is the one that you have; choose another.")
        changed = self._with_password(user.id, user.one_time, new)
        self._audit.write(
            actor, "account.password", record=f"users/{user.id}", text="Changed the password"
        )
        return changed

    def owner_of_link(self, token: str) -> User:
        """Return the account whose password a one-time link sets; its ``email`` may be empty.

        Raises
        ------
        NotFoundError
            When the link does not hold any more.
        """
        user = owner_of(token, self._store.users.read(), moment=self._clock())
        if user is None:
            raise NotFoundError(_LINK_GONE)
        return user

    def use_one_time(
        self, token: str, new_password: str, *, email: str = "", name: str = "", address: str = ""
    ) -> User:
        """Set the password through a one-time link, which then holds no more.

        ``email`` and ``name`` are taken for an account that has no e-mail yet: the first
        administrator's of a server without ``LIGHTBOX_ADMIN_EMAIL``.

        Raises
        ------
        NotFoundError
            When the link does not hold any more.
        RequestError
            When the password breaks a rule, or the e-mail is needed and cannot be used.
        """
        user = self.owner_of_link(token)
        profile = None
        if not user.email:
            profile = checked(Profile(name=name or user.name, email=email))
        changed = self._with_password(user.id, user.one_time, new_password, profile=profile)
        self._tries.forget_everywhere(changed.email)
        self._audit.write(
            person(changed, address),
            "account.password",
            record=f"users/{user.id}",
            text="Set the password with a one-time link",
        )
        return changed

    def all(self) -> tuple[User, ...]:
        """Return all accounts, in the order in which they were made."""
        return self._store.users.read().values()

    def present(self, actor: Actor) -> Actor:
        """Return ``actor`` with the role that it has by now; ``NOBODY`` when it may not act.

        For what was begun earlier, such as a download that a page prepared. The visitor of an
        open server and the server itself stay what they are.
        """
        if actor.id in (VISITOR.id, SYSTEM.id):
            return actor
        user = self._store.users.read().get(actor.id)
        return (actor_for(user, address=actor.address) if user else None) or NOBODY

    def get(self, user_id: str) -> User:
        """Return one account.

        Raises
        ------
        NotFoundError
            When there is none with this id.
        """
        user = self._store.users.read().get(user_id)
        if user is None:
            raise unknown(user_id)
        return user

    def add(self, actor: Actor, profile: Profile, *, role: str) -> tuple[User, str]:
        """Make an account for somebody; return it and the token of the link for their password.

        Raises
        ------
        NotAllowedError, NotSignedInError
            When ``actor`` may not manage people.
        RequestError
            When a field cannot be used, or the e-mail has an account already.
        """
        require(actor, "users.manage")
        token, link = new_link("first", moment=self._clock())
        user = replace(self._new_user(profile, role_of(role)), one_time=link)
        with self._store.users.transaction() as users:
            if users.where(email=user.email):
                raise taken()
            users.put(user)
        self._tell(actor, user, f"Added as {user.role}")
        return user, token

    def edit(self, actor: Actor, user_id: str, profile: Profile) -> User:
        """Change name, e-mail, hospital and location of an account.

        Raises
        ------
        NotAllowedError, NotSignedInError, NotFoundError, RequestError
            As for :meth:`add`, and when there is no such account.
        """
        require(actor, "users.manage")
        kept = checked(profile)
        with self._store.users.transaction() as users:
            user = found(users, user_id)
            if any(other.id != user_id for other in users.where(email=kept.email)):
                raise taken()
            changed = self._put(
                users,
                replace(
                    user,
                    name=kept.name,
                    email=kept.email,
                    hospital=kept.hospital,
                    location=kept.location,
                ),
            )
        self._tell(actor, changed, "Changed name, e-mail, hospital or location")
        return changed

    def set_role(self, actor: Actor, user_id: str, role: str) -> User:
        """Give an account another role, at once for all its sessions and tokens.

        Raises
        ------
        NotAllowedError, NotSignedInError, NotFoundError, RequestError
            As for :meth:`edit`, and when it is the last administrator.
        """
        require(actor, "users.manage")
        wanted = role_of(role)
        with self._store.users.transaction() as users:
            user = found(users, user_id)
            if wanted != "ADMIN":
                require_another_administrator(users, user, "get another role")
            changed = self._put(users, replace(user, role=wanted))
        self._tell(actor, changed, f"Changed the role from {user.role} to {wanted}")
        return changed

    def disable(self, actor: Actor, user_id: str) -> User:
        """Keep somebody out from now on; all their sessions and tokens end.

        Raises
        ------
        NotAllowedError, NotSignedInError, NotFoundError, RequestError
            As for :meth:`set_role`.
        """
        require(actor, "users.manage")
        with self._store.transaction("users", "sessions") as changes:
            users = changes["users"]
            user = found(users, user_id)
            require_another_administrator(users, user, "be disabled")
            moment = self._clock()
            changed = self._put(
                users, replace(user, disabled=True, one_time=None, tokens_valid_from=moment)
            )
            end_sessions(changes["sessions"], user_id)
        self._tell(actor, changed, "Disabled")
        return changed

    def enable(self, actor: Actor, user_id: str) -> User:
        """Let somebody in, or in again.

        Raises
        ------
        NotAllowedError, NotSignedInError, NotFoundError
            As for :meth:`edit`.
        """
        require(actor, "users.manage")
        with self._store.users.transaction() as users:
            user = found(users, user_id)
            changed = self._put(users, replace(user, disabled=False, waiting=False))
        self._tries.forget_everywhere(changed.email)
        self._tell(actor, changed, "Let in" if user.waiting else "Enabled")
        return changed

    def sign_out_everywhere(self, actor: Actor, user_id: str) -> None:
        """End all sessions and tokens of an account; the password stays.

        Raises
        ------
        NotAllowedError, NotSignedInError, NotFoundError
            As for :meth:`edit`.
        """
        require(actor, "users.manage")
        with self._store.transaction("users", "sessions") as changes:
            user = found(changes["users"], user_id)
            self._put(changes["users"], replace(user, tokens_valid_from=self._clock()))
            end_sessions(changes["sessions"], user_id)
        self._tell(actor, user, "Signed out everywhere")

    def reset_password(self, actor: Actor, user_id: str) -> str:
        """Return the token of a link that sets a new password; the present one ends at once.

        Sessions and tokens of the account end too.

        Raises
        ------
        NotAllowedError, NotSignedInError, NotFoundError
            As for :meth:`edit`.
        """
        require(actor, "users.manage")
        moment = self._clock()
        token, link = new_link("reset", moment=moment)
        with self._store.transaction("users", "sessions") as changes:
            user = found(changes["users"], user_id)
            changed = self._put(
                changes["users"],
                replace(user, password_hash="", one_time=link, tokens_valid_from=moment),
            )
            end_sessions(changes["sessions"], user_id)
        self._tries.forget_everywhere(changed.email)
        self._tell(actor, changed, "Reset the password; a one-time link was made")
        return token

    def remove(self, actor: Actor, user_id: str) -> None:
        """Delete an account and its sessions; what the person made stays under their id.

        Raises
        ------
        NotAllowedError, NotSignedInError, NotFoundError, RequestError
            As for :meth:`set_role`.
        """
        require(actor, "users.manage")
        with self._store.transaction("users", "sessions") as changes:
            user = found(changes["users"], user_id)
            require_another_administrator(changes["users"], user, "be deleted")
            changes["users"].remove(user_id)
            end_sessions(changes["sessions"], user_id)
        self._tell(actor, user, "Deleted the account")

    def ensure_first_administrator(self) -> str | None:
        """Make an administrator when nobody is one who can sign in.

        Returns the token of a one-time link to print, or ``None`` when none is needed; see
        :func:`engine.people.first_administrator.ensure`.
        """
        return ensure(
            self._store, self._settings, self._audit, rounds=self._rounds, moment=self._clock()
        )

    @property
    def _tries(self) -> Tries:
        if self._counted is None:
            path = self._settings.home / "secrets" / "tries.json"
            key = session_key(self._settings)
            self._counted = Tries(path, key=key, clock=lambda: self._clock().timestamp())
        return self._counted

    def _new_user(self, profile: Profile, role: Role, *, password: str = "") -> User:
        return new_user(profile, role, password=password, rounds=self._rounds, moment=self._clock())

    def _by_email(self, key: str) -> User | None:
        found = self._store.users.read().where(email=key) if key else ()
        return found[0] if found else None

    def _fits(self, password: str, user: User | None) -> bool:
        kept = user.password_hash if user else ""
        return passwords.fits(password[: 4 * passwords.MOST], kept, rounds=self._rounds)

    def _refused(self, user: User | None, address: str) -> None:
        """Log it without the e-mail: it may be somebody's password in the wrong field."""
        self._audit.write(
            replace(NOBODY, address=address),
            "account.sign_in",
            record=f"users/{user.id}" if user else "",
            text="Refused: e-mail and password do not fit",
        )

    def _signed_in(self, user: User, password: str) -> User:
        digest = user.password_hash
        if passwords.is_outdated(digest, rounds=self._rounds):
            digest = passwords.hashed(password, rounds=self._rounds)
        with self._store.users.transaction() as users:
            latest = users.get(user.id)
            if latest is None or not hmac.compare_digest(latest.password_hash, user.password_hash):
                raise NotSignedInError(_WRONG)  # it changed while this one was being compared
            return users.put(replace(latest, password_hash=digest, last_sign_in_at=self._clock()))

    def _with_password(
        self,
        user_id: str,
        link: object,
        password: str,
        *,
        profile: Profile | None = None,
    ) -> User:
        user = self.get(user_id)
        email = profile.email if profile else user.email
        name = profile.name if profile else user.name
        passwords.check_rules(password, email=email, name=name)
        digest = passwords.hashed(password, rounds=self._rounds)
        moment = self._clock()
        with self._store.transaction("users", "sessions") as changes:
            users = changes["users"]
            latest = found(users, user_id)
            if latest.one_time != link:
                raise NotFoundError(_LINK_GONE)
            if profile and users.where(email=email):
                raise taken()
            end_sessions(changes["sessions"], user_id)
            return self._put(
                users,
                replace(
                    latest,
                    name=name,
                    email=email,
                    password_hash=digest,
                    one_time=None,
                    password_changed_at=moment,
                    tokens_valid_from=moment,
                ),
            )

    def _put(self, users: Transaction[User], user: User) -> User:
        return users.put(replace(user, updated_at=self._clock()))

    def _tell(self, actor: Actor, user: User, text: str) -> None:
        self._audit.write(actor, "users.manage", record=f"users/{user.id}", text=text)
