"""The cookie of a sign-in."""

from __future__ import annotations

import pytest

from engine.errors import DiskShortError
from engine.people.sessions import Sessions
from engine.store import Store
from tests.engine.people.conftest import PASSWORD, People


def test_a_cookie_tells_who_signed_in(people: People) -> None:
    """The actor has id, name, role and the address of the request, not of the sign-in."""
    user = people.add("ann@clinic.example", "REVIEWER")
    token = people.sessions.open(user, address="192.0.2.7", agent="A browser")
    actor = people.sessions.actor_of(token, address="192.0.2.8")
    assert actor is not None
    assert (actor.id, actor.name, actor.role, actor.address) == (
        user.id,
        "Ann",
        "REVIEWER",
        "192.0.2.8",
    )


def test_any_changed_character_is_refused(people: People) -> None:
    """Each single character of a token counts."""
    token = people.sessions.open(people.add("ann@clinic.example"))
    for place, sign in enumerate(token):
        changed = token[:place] + ("0" if sign != "0" else "1") + token[place + 1 :]
        assert people.sessions.actor_of(changed) is None
    assert people.sessions.actor_of(token) is not None


@pytest.mark.parametrize("token", ["", ".", "1...", "x" * 1_000_000, "1.a.b.c", "\0", "ö" * 200])
def test_what_is_no_token_is_nobody(people: People, token: str) -> None:
    """Anything may stand in a cookie; nothing of it raises."""
    assert people.sessions.actor_of(token) is None
    people.sessions.close(token)


def test_pieces_of_two_tokens_do_not_make_one(people: People) -> None:
    """The secret of one session does not open another one."""
    ann, bob = people.add("ann@clinic.example"), people.add("bob@clinic.example", "ADMIN")
    one, two = (people.sessions.open(user).split(".") for user in (ann, bob))
    for mixed in ([one[0], two[1], *one[2:]], [*one[:2], two[2], one[3]], [*two[:3], one[3]]):
        assert people.sessions.actor_of(".".join(mixed)) is None


def test_a_signature_with_another_key_is_refused(people: People) -> None:
    """A server whose key was replaced asks everybody to sign in again."""
    token = people.sessions.open(people.add("ann@clinic.example"))
    (people.settings.home / "secrets" / "sessions.key").write_text("ab" * 32)
    assert people.reopened().sessions.actor_of(token) is None


def test_it_is_not_good_after_sign_out(people: People) -> None:
    """A copy of the cookie cannot be replayed, in this process or another."""
    token = people.sessions.open(people.add("ann@clinic.example"))
    other = people.reopened()
    assert other.sessions.actor_of(token) is not None
    people.sessions.close(token)
    assert people.sessions.actor_of(token) is None
    assert other.sessions.actor_of(token) is None


def test_it_ends_after_hours_without_a_request(people: People) -> None:
    """Twelve hours by the setting."""
    user = people.add("ann@clinic.example")
    for minutes, is_good in ((-1, True), (1, False)):
        token = people.sessions.open(user)
        people.clock.go_on(hours=12, minutes=minutes)
        assert (people.sessions.actor_of(token) is not None) == is_good


def test_each_use_moves_its_end(people: People) -> None:
    """Used every ten hours it lives on, but 30 days in all."""
    token = people.sessions.open(people.add("ann@clinic.example"))
    for _ in range(71):
        people.clock.go_on(hours=10)
        assert people.sessions.actor_of(token) is not None
    people.clock.go_on(hours=11)
    assert people.sessions.actor_of(token) is None


def test_it_is_written_once_a_minute_at_most(people: People) -> None:
    """A live page asks every two seconds and must not rewrite the records each time."""
    token = people.sessions.open(people.add("ann@clinic.example"))
    before = people.store.sessions.read().version
    for _ in range(100):
        assert people.sessions.actor_of(token) is not None
    assert people.store.sessions.read().version == before
    people.clock.go_on(seconds=61)
    for _ in range(100):
        assert people.sessions.actor_of(token) is not None
    assert people.store.sessions.read().version == before + 1


def test_a_full_disk_does_not_sign_out(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the renewal cannot be written, the request goes on."""
    token = people.sessions.open(people.add("ann@clinic.example"))
    people.clock.go_on(hours=1)

    def full(*_: object) -> None:
        raise DiskShortError("The disk is full.")

    monkeypatch.setattr(type(people.store.sessions), "transaction", full)
    assert people.sessions.actor_of(token) is not None


def test_a_new_password_ends_all_sessions(people: People) -> None:
    """Wherever somebody was signed in; the session opened after it is good."""
    user = people.add("ann@clinic.example")
    tokens = [people.sessions.open(user) for _ in range(3)]
    changed = people.accounts.change_password(people.actor(user), PASSWORD, "new words for me")
    assert [people.sessions.actor_of(token) for token in tokens] == [None] * 3
    assert people.sessions.actor_of(people.sessions.open(changed)) is not None


@pytest.mark.parametrize("act", ["disable", "reset_password", "remove"])
def test_an_administrator_ends_all_sessions(people: People, act: str) -> None:
    """Disabled, reset or deleted: at once, and not back by being enabled again."""
    boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
    user = people.add("ann@clinic.example")
    token = people.sessions.open(user)
    getattr(people.accounts, act)(boss, user.id)
    assert people.sessions.actor_of(token) is None
    if act == "disable":
        people.accounts.enable(boss, user.id)
        assert people.sessions.actor_of(token) is None


def test_a_record_put_back_from_a_backup_does_not_open_a_closed_session(people: People) -> None:
    """An old session beside a newer password stays closed."""
    user = people.add("ann@clinic.example")
    token = people.sessions.open(user)
    (old,) = people.store.sessions.read()
    people.accounts.change_password(people.actor(user), PASSWORD, "new words for me")
    with people.store.sessions.transaction() as sessions:
        sessions.put(old)
    assert people.sessions.actor_of(token) is None


def test_a_new_role_counts_at_once(people: People) -> None:
    """What somebody may do is read at each request."""
    boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
    user = people.add("ann@clinic.example", "ADMIN")
    token = people.sessions.open(user)
    people.accounts.set_role(boss, user.id, "UPLOADER")
    actor = people.sessions.actor_of(token)
    assert actor is not None
    assert actor.role == "UPLOADER"


def test_the_record_holds_no_token(people: People) -> None:
    """Who reads the records cannot sign in with them."""
    token = people.sessions.open(people.add("ann@clinic.example"))
    secret = token.split(".")[2]
    files = [path for path in people.settings.home.rglob("*") if path.is_file()]
    assert [path for path in files if secret in path.read_text(errors="replace")] == []


def test_ended_sessions_are_swept(people: People) -> None:
    """A new sign-in removes the records of those that have ended."""
    user = people.add("ann@clinic.example")
    for _ in range(3):
        people.sessions.open(user)
    people.clock.go_on(hours=13)
    people.sessions.open(user)
    assert len(people.store.sessions.read()) == 1


def test_open_sessions_can_be_listed_and_ended(people: People) -> None:
    """The one used last comes first; others' are not touched."""
    ann, bob = people.add("ann@clinic.example"), people.add("bob@clinic.example")
    first = people.sessions.open(ann, address="192.0.2.1")
    people.sessions.open(ann, address="192.0.2.2")
    bobs = people.sessions.open(bob)
    people.clock.go_on(minutes=2)
    people.sessions.actor_of(first)
    assert [one.address for one in people.sessions.of_user(ann.id)] == ["192.0.2.1", "192.0.2.2"]
    assert people.sessions.close_all(ann.id) == 2
    assert people.sessions.actor_of(first) is None
    assert people.sessions.actor_of(bobs) is not None


def test_nothing_is_written_before_the_first_sign_in(people: People) -> None:
    """A server without sign-in makes no keys."""
    Sessions(Store(people.settings.home / "records"), people.settings)
    assert not (people.settings.home / "secrets").exists()
