"""How often a wrong password may be tried."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.errors import SignInPausedError
from engine.people.tries import Tries
from tests.engine.people.conftest import Clock

ANN, HERE = "ann@clinic.example", "192.0.2.7"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tries(tmp_path: Path, clock: Clock) -> Tries:
    return Tries(tmp_path / "tries.json", key=b"k" * 32, clock=clock.seconds)


def pause_of(tries: Tries, email: str = ANN, address: str = HERE) -> int:
    """Return the pause in seconds that the next try meets; it must meet one."""
    with pytest.raises(SignInPausedError, match="wait") as caught:
        tries.begin(email, address)
    return caught.value.retry_after_s


def test_five_tries_are_free_and_pauses_double(tries: Tries, clock: Clock) -> None:
    """After the fifth wrong try 30 s, then 60, 120, …, at most an hour from one address."""
    for _ in range(5):
        tries.begin(ANN, HERE)
    pauses = []
    for _ in range(9):
        pause = pause_of(tries)
        pauses.append(pause)
        clock.go_on(seconds=pause + 1)
        tries.begin(ANN, HERE)
    assert pauses == pytest.approx([30, 60, 120, 240, 480, 960, 1920, 3600, 3600], abs=1)


def test_a_try_during_a_pause_does_not_lengthen_it(tries: Tries) -> None:
    """Knocking on does not keep the owner out for longer."""
    for _ in range(5):
        tries.begin(ANN, HERE)
    assert [pause_of(tries) for _ in range(20)] == pytest.approx([30] * 20, abs=2)


def test_the_right_password_counts_from_zero(tries: Tries) -> None:
    """Four wrong ones, a right one, four wrong ones: no pause."""
    for _ in range(3):
        for _ in range(4):
            tries.begin(ANN, HERE)
        tries.forget(ANN, HERE)
    tries.begin(ANN, HERE)


def test_a_stranger_elsewhere_does_not_lock_the_door(tries: Tries, clock: Clock) -> None:
    """A pause of one address leaves the owner, at another, free to sign in."""
    for _ in range(5):
        tries.begin(ANN, "203.0.113.9")
    assert pause_of(tries, address="203.0.113.9") > 0
    tries.begin(ANN, HERE)


def test_many_addresses_together_are_slowed_down_too(tries: Tries) -> None:
    """The twentieth wrong password for one e-mail pauses all addresses."""
    for number in range(20):
        tries.begin(ANN, f"203.0.113.{number}")
    assert pause_of(tries, address="198.51.100.1") == pytest.approx(30, abs=1)
    tries.begin("bob@clinic.example", "198.51.100.1")


def test_an_administrator_ends_every_pause_of_one_person(tries: Tries) -> None:
    """All addresses of that e-mail are free again, other e-mails are not."""
    for email in (ANN, "bob@clinic.example"):
        for number in range(20):
            tries.begin(email, f"203.0.113.{number // 4}")
    tries.forget_everywhere(ANN)
    tries.begin(ANN, "203.0.113.0")
    assert pause_of(tries, email="bob@clinic.example", address=HERE) > 0


def test_many_guesses_at_once_are_many_tries(tries: Tries) -> None:
    """Of 40 guesses in parallel five are looked at, not forty."""
    passed: list[int] = []

    def guess() -> None:
        try:
            tries.begin(ANN, HERE)
        except SignInPausedError:
            return
        passed.append(1)

    threads = [threading.Thread(target=guess) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 5


def test_a_pause_outlives_a_restart(tries: Tries, tmp_path: Path, clock: Clock) -> None:
    """Another process with the same file knows of it; a day later it is forgotten."""
    for _ in range(5):
        tries.begin(ANN, HERE)
    again = Tries(tmp_path / "tries.json", key=b"k" * 32, clock=clock.seconds)
    assert pause_of(again) == pytest.approx(30, abs=1)
    clock.go_on(hours=25)
    again.begin("bob@clinic.example", HERE)
    assert (tmp_path / "tries.json").read_text().count("[") == 1 + 2


def test_the_file_names_nobody(tries: Tries, tmp_path: Path) -> None:
    """Neither e-mail nor address can be read from it, and only its owner can read it."""
    tries.begin(ANN, HERE)
    path = tmp_path / "tries.json"
    assert "ann" not in path.read_text()
    assert HERE not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b'[["a", 1, 2]]'])
def test_a_damaged_file_begins_anew(tries: Tries, tmp_path: Path, content: bytes) -> None:
    """Nobody is kept out because a count cannot be read."""
    (tmp_path / "tries.json").write_bytes(content)
    for _ in range(5):
        tries.begin(ANN, HERE)
    assert pause_of(tries) > 0
