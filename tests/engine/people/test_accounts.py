"""Getting an account, signing in, and what an administrator may do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from engine.errors import (
    NotAllowedError,
    NotFoundError,
    NotSignedInError,
    RequestError,
    SettingsError,
    SignInPausedError,
)
from engine.people import passwords
from engine.people.accounts import Accounts
from engine.people.actors import NOBODY, VISITOR
from engine.people.profiles import Profile
from tests.engine.people.conftest import PASSWORD, People

ANN = Profile(name="Ann Maurer", email="ann@clinic.example", hospital="North", location="Bonn")
WRONG = "E-mail and password do not fit together"


class TestRegistering:
    """Somebody asks for an account."""

    def test_an_account_waits_for_an_administrator(self, people: People) -> None:
        """By default nobody gets in on their own, not even with the right password."""
        user = people.accounts.register(ANN, PASSWORD, role="ANNONATOR")
        assert (user.role, user.waiting, user.hospital) == ("ANNOTATOR", True, "North")
        with pytest.raises(NotSignedInError, match="waits for an administrator"):
            people.accounts.sign_in(ANN.email, PASSWORD)
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        people.accounts.enable(boss, user.id)
        assert people.accounts.sign_in(ANN.email, PASSWORD).id == user.id

    def test_a_stranger_learns_nothing_about_a_waiting_account(self, people: People) -> None:
        """With the wrong password the sentence is the one for everybody."""
        people.accounts.register(ANN, PASSWORD)
        with pytest.raises(NotSignedInError, match=WRONG):
            people.accounts.sign_in(ANN.email, "some other words")

    def test_a_known_email_is_answered_like_a_new_one(self, people: People) -> None:
        """The answer has the same form, nothing is changed, and the log notes it."""
        first = people.accounts.register(ANN, PASSWORD)
        again = people.accounts.register(ANN, "quite another one")
        assert (again.waiting, again.role) == (first.waiting, first.role)
        assert again.id != first.id
        assert [user.id for user in people.accounts.all()] == [first.id]
        assert people.audit.entries().entries[0].text == "An e-mail was registered once more"

    def test_on_an_open_server_it_can_be_used_at_once(self, opened: Callable[..., People]) -> None:
        """``LIGHTBOX_REGISTRATION=open`` lets people in; a known e-mail is then refused."""
        people = opened(registration="open")
        user = people.accounts.register(ANN, PASSWORD, role="uploader")
        assert people.accounts.sign_in(" ANN@Clinic.example ", PASSWORD).id == user.id
        with pytest.raises(RequestError, match="'email' has an account already"):
            people.accounts.register(ANN, PASSWORD)

    def test_it_can_be_switched_off(self, opened: Callable[..., People]) -> None:
        """The refusal names the setting."""
        with pytest.raises(NotAllowedError, match="LIGHTBOX_REGISTRATION=off"):
            opened(registration="off").accounts.register(ANN, PASSWORD)

    @pytest.mark.parametrize("role", ["ADMIN", "REVIEWER", "admin"])
    def test_nobody_makes_themselves_an_administrator(
        self, opened: Callable[..., People], role: str
    ) -> None:
        """Roles that decide over others are given by an administrator only."""
        people = opened(registration="open")
        with pytest.raises(NotAllowedError, match="ANNOTATOR or UPLOADER"):
            people.accounts.register(ANN, PASSWORD, role=role)
        assert people.accounts.all() == ()

    @pytest.mark.parametrize(
        ("profile", "sentence"),
        [
            (Profile(name="Ann", email="ann"), "'email' must be an address"),
            (Profile(name="Ann", email="a@b@c"), "'email' must be an address"),
            (Profile(name="Ann", email="a b@c.example"), "'email' must be an address"),
            (Profile(name="Ann", email=f"{'a' * 300}@c.example"), "'email' must be an address"),
            (Profile(name="  ", email="a@c.example"), "'name' is empty"),
            (Profile(name="A\nB", email="a@c.example"), "'name' must be one line"),
            (Profile(name="A\u202eB", email="a@c.example"), "'name' must be one line"),
            (Profile(name="A" * 101, email="a@c.example"), "100 characters, but has 101"),
            (Profile(name="A", email="a@c.example", hospital="\x00"), "'hospital' must be one"),
        ],
    )
    def test_a_field_that_cannot_be_used_is_named(
        self, people: People, profile: Profile, sentence: str
    ) -> None:
        """The sentence names the field; no account is made."""
        with pytest.raises(RequestError, match=sentence):
            people.accounts.register(profile, PASSWORD)
        assert people.accounts.all() == ()

    def test_a_weak_password_is_refused(self, people: People) -> None:
        """The rules hold for registration."""
        with pytest.raises(RequestError, match="at least 10 characters"):
            people.accounts.register(ANN, "short")


class TestSigningIn:
    """E-mail and password."""

    def test_the_right_ones_give_the_account(self, people: People) -> None:
        """The e-mail in any case; the moment is kept; the log has a line without the e-mail."""
        user = people.add("ann@clinic.example")
        signed_in = people.accounts.sign_in("Ann@CLINIC.example", PASSWORD, address="192.0.2.7")
        assert signed_in.id == user.id
        assert signed_in.last_sign_in_at is not None
        entry = people.audit.entries().entries[0]
        assert (entry.action, entry.record, entry.address) == (
            "account.sign_in",
            f"users/{user.id}",
            "192.0.2.7",
        )
        assert b"clinic" not in people.audit.export()

    @pytest.mark.parametrize(
        ("email", "password"),
        [
            ("ann@clinic.example", "a lamp on the floor"),
            ("bob@clinic.example", PASSWORD),
            ("", PASSWORD),
            ("ann@clinic.example", ""),
            ("ann@clinic.example", "x" * 100_000),
            ("x" * 100_000, PASSWORD),
        ],
    )
    def test_wrong_ones_get_one_sentence(self, people: People, email: str, password: str) -> None:
        """Nobody learns whether it was the e-mail or the password."""
        people.add("ann@clinic.example")
        with pytest.raises(NotSignedInError, match=f"^{WRONG}; check both and try again.$"):
            people.accounts.sign_in(email, password)

    def test_an_account_without_a_password_lets_nobody_in(self, people: People) -> None:
        """Before the one-time link was used there is nothing that fits, not even nothing."""
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        people.accounts.add(boss, ANN, role="ANNOTATOR")
        for password in ("", PASSWORD):
            with pytest.raises(NotSignedInError, match=WRONG):
                people.accounts.sign_in(ANN.email, password)

    def test_an_unknown_email_takes_as_long(self, people: People) -> None:
        """The work to refuse does not tell whether an e-mail has an account."""
        accounts = Accounts(people.store, people.settings, people.audit, rounds=9)
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        _, token = accounts.add(boss, ANN, role="ANNOTATOR")
        accounts.use_one_time(token, PASSWORD)

        def took_s(email: str, address: str) -> float:
            start = time.thread_time()
            with pytest.raises(NotSignedInError, match=WRONG):
                accounts.sign_in(email, "some other words", address=address)
            return time.thread_time() - start

        known = min(took_s(ANN.email, f"192.0.2.{n}") for n in range(7))
        unknown = min(took_s("x@clinic.example", f"192.0.2.{n}") for n in range(7))
        assert known / 2 < unknown < known * 2

    def test_wrong_passwords_lead_to_a_pause_for_the_right_one_too(self, people: People) -> None:
        """After five of them even the right one waits; then it is let in."""
        people.add("ann@clinic.example")
        for _ in range(5):
            with pytest.raises(NotSignedInError, match=WRONG):
                people.accounts.sign_in("ann@clinic.example", "wrong words here")
        with pytest.raises(SignInPausedError, match="wait 30 seconds") as caught:
            people.accounts.sign_in("ann@clinic.example", PASSWORD)
        assert caught.value.retry_after_s == 30
        people.clock.go_on(seconds=31)
        people.accounts.sign_in("ann@clinic.example", PASSWORD)
        with pytest.raises(NotSignedInError, match=WRONG):
            people.accounts.sign_in("ann@clinic.example", "wrong words here")

    def test_an_unknown_email_is_paused_as_well(self, people: People) -> None:
        """So that a pause tells nothing."""
        for _ in range(5):
            with pytest.raises(NotSignedInError, match=WRONG):
                people.accounts.sign_in("nobody@clinic.example", PASSWORD)
        with pytest.raises(SignInPausedError, match="wait"):
            people.accounts.sign_in("NOBODY@clinic.example", PASSWORD)

    def test_a_cheaper_hash_is_made_anew(self, people: People) -> None:
        """Whoever signs in gets the present cost without noticing."""
        user = people.add("ann@clinic.example")
        accounts = Accounts(people.store, people.settings, people.audit, rounds=5)
        accounts.sign_in("ann@clinic.example", PASSWORD)
        assert not passwords.is_outdated(accounts.get(user.id).password_hash, rounds=5)
        accounts.sign_in("ann@clinic.example", PASSWORD)


class TestChangingThePassword:
    """By its owner."""

    def test_the_old_one_is_needed(self, people: People) -> None:
        """A browser that somebody left open is not enough."""
        ann = people.actor(people.add("ann@clinic.example"))
        with pytest.raises(NotSignedInError, match="present password is not right"):
            people.accounts.change_password(ann, "wrong words here", "new words for me")
        people.accounts.change_password(ann, PASSWORD, "new words for me")
        people.accounts.sign_in("ann@clinic.example", "new words for me")
        with pytest.raises(NotSignedInError, match=WRONG):
            people.accounts.sign_in("ann@clinic.example", PASSWORD)

    def test_guessing_the_old_one_is_paused(self, people: People) -> None:
        """The page for it is no way around the pauses of the sign-in."""
        ann = people.actor(people.add("ann@clinic.example"))
        for _ in range(5):
            with pytest.raises(NotSignedInError, match="not right"):
                people.accounts.change_password(ann, "wrong words here", "new words for me")
        with pytest.raises(SignInPausedError, match="wait"):
            people.accounts.change_password(ann, PASSWORD, "new words for me")

    @pytest.mark.parametrize("new", ["short", PASSWORD])
    def test_the_new_one_keeps_the_rules_and_is_new(self, people: People, new: str) -> None:
        """Otherwise the old one stays."""
        ann = people.actor(people.add("ann@clinic.example"))
        with pytest.raises(RequestError, match="'password'"):
            people.accounts.change_password(ann, PASSWORD, new)
        people.accounts.sign_in("ann@clinic.example", PASSWORD)

    def test_a_visitor_has_none(self, people: People) -> None:
        """Without sign-in there is nothing to change, and the sentence says so."""
        with pytest.raises(NotFoundError, match="LIGHTBOX_AUTH=off"):
            people.accounts.change_password(VISITOR, PASSWORD, "new words for me")
        with pytest.raises(NotSignedInError, match="sign in first"):
            people.accounts.change_password(NOBODY, PASSWORD, "new words for me")


class TestOneTimeLinks:
    """Links that set a password."""

    def test_a_link_works_once(self, people: People) -> None:
        """The second time it is gone; the password of the first stays."""
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        _, token = people.accounts.add(boss, ANN, role="REVIEWER")
        assert people.accounts.owner_of_link(token).email == ANN.email
        people.accounts.use_one_time(token, PASSWORD)
        with pytest.raises(NotFoundError, match="used already"):
            people.accounts.use_one_time(token, "another password")
        people.accounts.sign_in(ANN.email, PASSWORD)

    def test_a_link_ends_after_a_day(self, people: People) -> None:
        """24 hours, not more."""
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        _, token = people.accounts.add(boss, ANN, role="REVIEWER")
        people.clock.go_on(hours=24)
        with pytest.raises(NotFoundError, match="older than 24 hours"):
            people.accounts.use_one_time(token, PASSWORD)

    def test_a_newer_link_replaces_the_older(self, people: People) -> None:
        """Of two resets only the last link works."""
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        ann = people.add("ann@clinic.example")
        older = people.accounts.reset_password(boss, ann.id)
        newer = people.accounts.reset_password(boss, ann.id)
        with pytest.raises(NotFoundError, match="replaced by a newer one"):
            people.accounts.use_one_time(older, "new words for me")
        people.accounts.use_one_time(newer, "new words for me")

    @pytest.mark.parametrize("token", ["", "x", "x" * 100_000, "01m7x0aarvrkvgwnxynfrd5h31"])
    def test_a_guess_is_no_link(self, people: People, token: str) -> None:
        """Accounts without a link are not found by an empty one."""
        people.add("ann@clinic.example")
        with pytest.raises(NotFoundError, match="link"):
            people.accounts.use_one_time(token, PASSWORD)

    def test_a_weak_password_does_not_use_it_up(self, people: People) -> None:
        """One may try again with a better one."""
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        _, token = people.accounts.add(boss, ANN, role="REVIEWER")
        with pytest.raises(RequestError, match="at least 10"):
            people.accounts.use_one_time(token, "short")
        people.accounts.use_one_time(token, PASSWORD)

    def test_only_its_hash_is_kept(self, people: People) -> None:
        """Who reads the records or the log cannot use the link, nor the password."""
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        _, token = people.accounts.add(boss, ANN, role="REVIEWER")
        people.accounts.use_one_time(token, PASSWORD)
        token = people.accounts.reset_password(boss, people.accounts.all()[1].id)
        texts = [path.read_text(errors="replace") for path in _files(people)]
        assert [text for text in texts if token in text or PASSWORD in text] == []


class TestAdministering:
    """What an administrator does to other people."""

    @pytest.mark.parametrize("role", ["UPLOADER", "ANNOTATOR", "REVIEWER"])
    def test_nobody_else_may(self, people: People, role: str) -> None:
        """The accounts ask themselves, whatever a page asked before."""
        boss = people.add("boss@clinic.example", "ADMIN")
        other = people.actor(people.add("ann@clinic.example", role))
        accounts = people.accounts
        for attempt in (
            lambda: accounts.add(other, ANN, role="ADMIN"),
            lambda: accounts.edit(other, boss.id, ANN),
            lambda: accounts.set_role(other, other.id, "ADMIN"),
            lambda: accounts.disable(other, boss.id),
            lambda: accounts.enable(other, boss.id),
            lambda: accounts.reset_password(other, boss.id),
            lambda: accounts.remove(other, boss.id),
        ):
            with pytest.raises(NotAllowedError, match="takes the role ADMIN"):
                attempt()
        assert len(accounts.all()) == 2

    def test_the_last_administrator_stays(self, people: People) -> None:
        """Not demoted, disabled or deleted, by themselves or by another."""
        user = people.add("boss@clinic.example", "ADMIN")
        boss = people.actor(user)
        for attempt in (
            lambda: people.accounts.set_role(boss, user.id, "REVIEWER"),
            lambda: people.accounts.disable(boss, user.id),
            lambda: people.accounts.remove(boss, user.id),
        ):
            with pytest.raises(NotAllowedError, match="last administrator cannot"):
                attempt()
        second = people.add("second@clinic.example", "ADMIN")
        people.accounts.set_role(boss, user.id, "REVIEWER")
        with pytest.raises(NotAllowedError, match="last administrator cannot be deleted"):
            people.accounts.remove(people.actor(second), second.id)

    def test_an_administrator_who_cannot_sign_in_does_not_count(self, people: People) -> None:
        """One who is disabled, or never set a password, cannot take over."""
        user = people.add("boss@clinic.example", "ADMIN")
        boss = people.actor(user)
        people.accounts.add(boss, ANN, role="ADMIN")
        second = people.add("second@clinic.example", "ADMIN")
        people.accounts.disable(boss, second.id)
        with pytest.raises(NotAllowedError, match="last administrator"):
            people.accounts.disable(boss, user.id)

    def test_two_administrators_cannot_demote_each_other_at_once(self, people: People) -> None:
        """Of two that do it at the same moment one is refused."""
        users = [people.add(f"boss{n}@clinic.example", "ADMIN") for n in range(2)]
        actors = [people.actor(user) for user in users]
        refused: list[str] = []
        barrier = threading.Barrier(2)

        def demote(who: int) -> None:
            barrier.wait()
            try:
                people.accounts.set_role(actors[who], users[1 - who].id, "REVIEWER")
            except NotAllowedError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=demote, args=(who,)) for who in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 1
        assert [user.role for user in people.accounts.all()].count("ADMIN") == 1

    def test_an_email_belongs_to_one_account(self, people: People) -> None:
        """In any spelling, when it is added and when it is changed."""
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        ann, _ = people.accounts.add(boss, ANN, role="REVIEWER")
        same = Profile(name="Other", email=" ANN@clinic.EXAMPLE ")
        with pytest.raises(RequestError, match="has an account already"):
            people.accounts.add(boss, same, role="REVIEWER")
        with pytest.raises(RequestError, match="has an account already"):
            people.accounts.edit(boss, boss.id, same)
        renamed = Profile(name="Ann M.", email="ANN@clinic.example")
        assert people.accounts.edit(boss, ann.id, renamed).name == "Ann M."

    def test_a_reset_ends_the_present_password(self, people: People) -> None:
        """It stops at once, and so do the pauses after wrong ones."""
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        ann = people.add("ann@clinic.example")
        for _ in range(5):
            with pytest.raises(NotSignedInError, match=WRONG):
                people.accounts.sign_in(ann.email, "wrong words here")
        token = people.accounts.reset_password(boss, ann.id)
        with pytest.raises(NotSignedInError, match=WRONG):
            people.accounts.sign_in(ann.email, PASSWORD)
        people.accounts.use_one_time(token, "new words for me")
        people.accounts.sign_in(ann.email, "new words for me")

    def test_a_disabled_account_is_told_to_its_owner_only(self, people: People) -> None:
        """With the right password the sentence says why, with a wrong one it does not."""
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        ann = people.add("ann@clinic.example")
        people.accounts.disable(boss, ann.id)
        with pytest.raises(NotSignedInError, match="is disabled; ask an administrator"):
            people.accounts.sign_in(ann.email, PASSWORD)
        with pytest.raises(NotSignedInError, match=WRONG):
            people.accounts.sign_in(ann.email, "wrong words here")
        people.accounts.enable(boss, ann.id)
        people.accounts.sign_in(ann.email, PASSWORD)

    def test_an_unknown_account_is_not_found(self, people: People) -> None:
        """Deleted meanwhile, or a link that was mistyped."""
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        with pytest.raises(NotFoundError, match="no account with the id 'nobody'"):
            people.accounts.set_role(boss, "nobody", "REVIEWER")

    def test_everything_is_in_the_log(self, people: People) -> None:
        """Who did what to whom, in order, without e-mails."""
        boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
        ann, _ = people.accounts.add(boss, ANN, role="REVIEWER")
        people.accounts.set_role(boss, ann.id, "UPLOADER")
        people.accounts.reset_password(boss, ann.id)
        people.accounts.disable(boss, ann.id)
        people.accounts.enable(boss, ann.id)
        people.accounts.remove(boss, ann.id)
        entries = people.audit.entries().entries[:6]
        assert {entry.record for entry in entries} == {f"users/{ann.id}"}
        assert {entry.actor_id for entry in entries} == {boss.id}
        assert [entry.text for entry in reversed(entries)] == [
            "Added as REVIEWER",
            "Changed the role from REVIEWER to UPLOADER",
            "Reset the password; a one-time link was made",
            "Disabled",
            "Enabled",
            "Deleted the account",
        ]
        assert people.audit.verify().ok
        assert b"@" not in people.audit.export()


class TestTheFirstAdministrator:
    """A server that nobody can administer yet."""

    def test_settings_make_one(self, opened: Callable[..., People]) -> None:
        """ADMIN_EMAIL and ADMIN_PASSWORD: it can sign in at once; later starts change nothing."""
        people = opened(admin_email="Boss@clinic.example", admin_password=PASSWORD)
        assert people.accounts.ensure_first_administrator() is None
        boss = people.accounts.sign_in("boss@clinic.example", PASSWORD)
        people.accounts.change_password(people.actor(boss), PASSWORD, "new words for me")
        assert people.accounts.ensure_first_administrator() is None
        people.accounts.sign_in("boss@clinic.example", "new words for me")
        assert len(people.accounts.all()) == 1

    def test_without_settings_a_link_makes_one(self, people: People) -> None:
        """Whoever opens the link says e-mail and name; a new start makes the older link useless."""
        older = people.accounts.ensure_first_administrator()
        token = people.accounts.ensure_first_administrator()
        assert older
        assert token
        with pytest.raises(NotFoundError, match="link"):
            people.accounts.owner_of_link(older)
        assert people.accounts.owner_of_link(token).email == ""
        with pytest.raises(RequestError, match="'email' must be an address"):
            people.accounts.use_one_time(token, PASSWORD)
        user = people.accounts.use_one_time(token, PASSWORD, email="Boss@x.example", name="Boss")
        assert (user.role, user.email, user.name) == ("ADMIN", "boss@x.example", "Boss")
        assert people.accounts.ensure_first_administrator() is None
        assert len(people.accounts.all()) == 1

    def test_an_email_alone_gives_a_link(self, opened: Callable[..., People]) -> None:
        """The e-mail is then known, the password is not."""
        people = opened(admin_email="boss@clinic.example")
        token = people.accounts.ensure_first_administrator()
        assert token
        people.accounts.use_one_time(token, PASSWORD)
        assert people.accounts.sign_in("boss@clinic.example", PASSWORD).role == "ADMIN"

    def test_an_administrator_whose_password_was_reset_gets_a_link(self, people: People) -> None:
        """Nobody can sign in: the next start prints a way back in, for the same account."""
        user = people.add("boss@clinic.example", "ADMIN")
        people.accounts.reset_password(people.actor(user), user.id)
        token = people.accounts.ensure_first_administrator()
        assert token
        assert people.accounts.owner_of_link(token).id == user.id

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"admin_password": PASSWORD}, "LIGHTBOX_ADMIN_EMAIL is not"),
            ({"admin_email": "boss", "admin_password": PASSWORD}, "'email' must be an address"),
            ({"admin_email": "boss@x.example", "admin_password": "short"}, "at least 10"),
        ],
    )
    def test_unusable_settings_are_told(
        self, opened: Callable[..., People], values: dict[str, str], sentence: str
    ) -> None:
        """The start stops with a sentence that does not repeat the password."""
        with pytest.raises(SettingsError, match=sentence) as caught:
            opened(**values).accounts.ensure_first_administrator()
        assert PASSWORD not in str(caught.value)

    def test_an_email_of_somebody_else_is_not_promoted(self, opened: Callable[..., People]) -> None:
        """A setting does not turn an ordinary account into an administrator unasked."""
        people = opened(registration="open", admin_email=ANN.email)
        people.accounts.register(ANN, PASSWORD)
        with pytest.raises(SettingsError, match="no administrator or is disabled"):
            people.accounts.ensure_first_administrator()
        assert people.accounts.all()[0].role == "ANNOTATOR"


def _files(people: People) -> list:
    return [path for path in people.settings.home.rglob("*") if path.is_file()]
