"""What a password must be and how it is kept."""

from __future__ import annotations

import time

import bcrypt
import pytest

from engine.errors import RequestError
from engine.people.passwords import check_rules, fits, hashed, is_outdated, rules


def test_by_default_bcrypt_takes_twelve_rounds() -> None:
    """Without a word the cost is 12, readable in the hash, and the password fits it."""
    kept = hashed("a lamp on the table")
    assert "$2b$12$" in kept
    assert fits("a lamp on the table", kept)
    assert not fits("a lamp on the tables", kept)


@pytest.mark.parametrize(
    ("password", "other"),
    [
        ("x" * 72 + "1", "x" * 72 + "2"),  # bcrypt itself reads 72 bytes
        ("ö" * 40 + "a", "ö" * 40 + "b"),  # 81 bytes in UTF-8
        ("before\0after one", "before\0after two"),  # and stops at a zero byte
        ("trailing blank", "trailing blank "),
        ("Case Matters", "case matters"),
    ],
)
def test_every_character_of_a_password_counts(password: str, other: str) -> None:
    """Two passwords that differ anywhere do not fit each other, however long they are."""
    kept = hashed(password, rounds=4)
    assert fits(password, kept)
    assert not fits(other, kept)


def test_a_password_fits_from_another_keyboard() -> None:
    """An accented letter may come as one character or as two."""
    assert fits("cafe\u0301 au lait", hashed("caf\u00e9 au lait", rounds=4))


def test_the_same_password_is_kept_differently_each_time() -> None:
    """Each hash has a salt of its own, and the password is not in it."""
    one, two = hashed("a lamp on the table", rounds=4), hashed("a lamp on the table", rounds=4)
    assert one != two
    assert "lamp" not in one


def test_a_plain_hash_of_an_older_service_fits() -> None:
    """``$2b$`` hashes made by bcrypt alone are read, and marked to be made anew."""
    kept = bcrypt.hashpw(b"older password", bcrypt.gensalt(4)).decode()
    assert fits("older password", kept)
    assert not fits("other password", kept)
    assert is_outdated(kept, rounds=4)
    assert is_outdated(hashed("a", rounds=4), rounds=5)
    assert not is_outdated(hashed("a", rounds=4), rounds=4)


def test_what_is_no_hash_fits_nothing() -> None:
    """A damaged record lets nobody in and breaks nothing."""
    assert not fits("a lamp on the table", "no hash")
    assert not fits("a lamp on the table", "")


def test_without_an_account_the_same_work_is_done() -> None:
    """An e-mail that nobody has costs a comparison of the full cost, not none."""

    def took_s(kept: str) -> float:
        start = time.thread_time()
        assert not fits("a wrong password", kept, rounds=10)
        return time.thread_time() - start

    kept = hashed("a lamp on the table", rounds=10)
    known = min(took_s(kept) for _ in range(3))
    unknown = min(took_s("") for _ in range(3))
    assert known / 2 < unknown < known * 2


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "at least 10 characters, but has 0"),
        ("nine char", "at least 10 characters, but has 9"),
        ("x" * 257, "may have 256 characters, but has 257"),
        ("aaaaabbbbbcccc", "at least 5 different"),
        ("PassWord123", "everybody guesses first"),
        ("ann.maurer1", "your name or e-mail"),
        ("Ann Maurer!", "your name or e-mail"),
        ("ann.maurer@clinic.example1", "your name or e-mail"),
    ],
)
def test_a_weak_password_is_refused_with_the_rule(password: str, sentence: str) -> None:
    """The sentence says which rule it is and never repeats the password."""
    with pytest.raises(RequestError, match=sentence) as caught:
        check_rules(password, email="ann.maurer@clinic.example", name="Ann Maurer")
    assert len(password) < 5 or password not in str(caught.value)


@pytest.mark.parametrize(
    "password",
    [
        "a lamp on the table",
        "ten chars!",
        "Пароль из слов",
        "ann likes old lamps",
        "1" * 3 + "2468097 q",
    ],
)
def test_long_words_in_a_row_are_enough(password: str) -> None:
    """No digits, capitals or signs are asked for; the own name may be a part."""
    check_rules(password, email="ann@clinic.example", name="Ann")


def test_the_rules_are_told_before_they_are_broken() -> None:
    """The sentence beside the field names the least length."""
    assert "At least 10 characters" in rules()
