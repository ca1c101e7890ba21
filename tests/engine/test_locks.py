"""Lock files: held, free, not there."""

from __future__ import annotations

import fcntl
from pathlib import Path

from engine.locks import is_locked


def test_a_lock_is_seen_while_it_is_held(tmp_path: Path) -> None:
    """Held by an open file, it is told; closed, it is free again."""
    with (tmp_path / "lock").open("wb") as holder:
        assert not is_locked(tmp_path / "lock")
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert is_locked(tmp_path / "lock")
    assert not is_locked(tmp_path / "lock")


def test_those_who_ask_do_not_see_each_other(tmp_path: Path) -> None:
    """A shared lock, as asking takes for a moment, does not count as held."""
    with (tmp_path / "lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert not is_locked(tmp_path / "lock")


def test_a_file_that_is_not_there_is_free_and_not_made(tmp_path: Path) -> None:
    """Asking leaves no trace, not even a folder."""
    assert not is_locked(tmp_path / "missing" / "lock")
    assert list(tmp_path.iterdir()) == []
