"""Tokens of the API; the wrong ones are made by another library or by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest

from engine.people.secret_files import token_key
from tests.engine.people.conftest import PASSWORD, People


def part(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


def signed(claims: dict[str, Any], key: bytes, *, algorithm: str = "HS256") -> str:
    """Sign by hand (RFC 7515), whatever the header says."""
    text = f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims)}"
    kind = hashlib.sha512 if algorithm == "HS512" else hashlib.sha256
    mark = hmac.new(key, text.encode(), kind).digest()
    return f"{text}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


def test_a_token_tells_who_and_until_when(people: People) -> None:
    """HS256 with issuer, subject, moment and end; by default for an hour."""
    user = people.add("ann@clinic.example", "REVIEWER")
    token, seconds = people.tokens.issue(user)
    claims = claims_of(token)
    assert seconds == 3600
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert (claims["sub"], claims["exp"] - claims["iat"]) == (user.id, 3600)
    assert "ann@" not in base64.b64decode(token.split(".")[1] + "===").decode()
    actor = people.tokens.actor_of(token, address="192.0.2.7")
    assert actor is not None
    assert (actor.id, actor.role, actor.address) == (user.id, "REVIEWER", "192.0.2.7")


def test_a_token_made_by_hand_with_the_right_key_is_good(people: People) -> None:
    """So that the refusals below are for the right reason."""
    token, _ = people.tokens.issue(people.add("ann@clinic.example"))
    assert people.tokens.actor_of(signed(claims_of(token), token_key(people.settings)))


def test_other_algorithms_are_refused(people: People) -> None:
    """``none`` in any spelling, and a stronger one with the right key too."""
    token, _ = people.tokens.issue(people.add("ann@clinic.example"))
    claims, key = claims_of(token), token_key(people.settings)
    unsigned = [f"{part({'alg': name})}.{part(claims)}." for name in ("none", "None", "NONE")]
    others = [signed(claims, key, algorithm=name) for name in ("HS512", "none", "RS256", "")]
    for wrong in (*unsigned, *others):
        assert people.tokens.actor_of(wrong) is None


@pytest.mark.parametrize(
    "change",
    [
        {"sub": "01m7x0aarvrkvgwnxynfrd5h31"},
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"exp": "never"},
        {"iss": "somebody"},
        {"iss": None},
        {"sub": None},
        {"sub": 7},
        {"standing": "1999-01-01T00:00:00+00:00"},
        {"standing": None},
        {"nbf": int(time.time()) + 1000},
    ],
)
def test_wrong_claims_are_refused_even_when_signed(people: People, change: dict[str, Any]) -> None:
    """Ended, of another issuer, of nobody, or lacking what must be there."""
    token, _ = people.tokens.issue(people.add("ann@clinic.example"))
    claims = claims_of(token) | change
    claims = {name: value for name, value in claims.items() if value is not None}
    assert people.tokens.actor_of(signed(claims, token_key(people.settings))) is None


def test_a_changed_token_is_refused(people: People) -> None:
    """Other claims with the old signature, or another key."""
    user = people.add("ann@clinic.example")
    boss = people.add("boss@clinic.example", "ADMIN")
    token, _ = people.tokens.issue(user)
    head, _, mark = token.split(".")
    forged = f"{head}.{part(claims_of(token) | {'sub': boss.id})}.{mark}"
    assert people.tokens.actor_of(forged) is None
    assert people.tokens.actor_of(signed(claims_of(token), b"k" * 32)) is None


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 1_000_000, "ö.ö.ö", "\0"])
def test_what_is_no_token_is_nobody(people: People, token: str) -> None:
    """Anything may stand in a header; nothing of it raises."""
    assert people.tokens.actor_of(token) is None


def test_a_new_password_ends_tokens(people: People) -> None:
    """Also one that was issued within the same second."""
    user = people.add("ann@clinic.example")
    token, _ = people.tokens.issue(user)
    changed = people.accounts.change_password(people.actor(user), PASSWORD, "new words for me")
    assert people.tokens.actor_of(token) is None
    assert people.tokens.actor_of(people.tokens.issue(changed)[0]) is not None


@pytest.mark.parametrize("act", ["disable", "reset_password", "remove"])
def test_an_administrator_ends_tokens(people: People, act: str) -> None:
    """Disabled, reset or deleted: at once."""
    boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
    user = people.add("ann@clinic.example")
    token, _ = people.tokens.issue(user)
    getattr(people.accounts, act)(boss, user.id)
    assert people.tokens.actor_of(token) is None


def test_the_role_is_the_present_one(people: People) -> None:
    """A token from the time as administrator is none of an administrator."""
    boss = people.actor(people.add("boss@clinic.example", "ADMIN"))
    user = people.add("ann@clinic.example", "ADMIN")
    token, _ = people.tokens.issue(user)
    people.accounts.set_role(boss, user.id, "ANNOTATOR")
    actor = people.tokens.actor_of(token)
    assert actor is not None
    assert actor.role == "ANNOTATOR"


def test_secret_and_expiry_are_settings(people: People) -> None:
    """Another process with the same secret knows the token; with another it does not."""
    user = people.add("ann@clinic.example")
    ours = people.reopened(jwt_secret="s" * 32, token_expiry_s=60)
    token, seconds = ours.tokens.issue(user)
    assert seconds == 60
    assert people.reopened(jwt_secret="s" * 32).tokens.actor_of(token) is not None
    assert people.tokens.actor_of(token) is None


def test_without_a_setting_the_secret_is_made_and_kept(people: People) -> None:
    """A restart keeps tokens good; the file is its owner's alone."""
    token, _ = people.tokens.issue(people.add("ann@clinic.example"))
    assert people.reopened().tokens.actor_of(token) is not None
    path = people.settings.home / "secrets" / "tokens.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
