"""Keys that the server keeps for itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import SettingsError
from engine.people.secret_files import kept_secret


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    """32 random bytes, mode 0600; the next call reads the same."""
    path = tmp_path / "secrets" / "one.key"
    key = kept_secret(path)
    assert len(key) == 32
    assert kept_secret(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert kept_secret(tmp_path / "secrets" / "two.key") != key


def test_processes_that_start_together_get_the_same_key(tmp_path: Path) -> None:
    """Eight at once: one makes it, all read it."""
    path = tmp_path / "secrets" / "one.key"
    code = (
        "import sys, pathlib; from engine.people.secret_files import kept_secret; "
        "sys.stdin.readline(); print(kept_secret(pathlib.Path(sys.argv[1])).hex())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=30)[0].strip() for process in processes}
    assert keys == {kept_secret(path).hex()}


def test_a_key_that_others_could_read_is_closed(tmp_path: Path) -> None:
    """A copy that lost its mode gets it back."""
    path = tmp_path / "one.key"
    kept_secret(path)
    path.chmod(0o644)
    kept_secret(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "ab" * 31, "é" * 64])
def test_a_damaged_key_is_told_and_not_replaced(tmp_path: Path, content: str) -> None:
    """Nobody is signed out without a word; the sentence does not show what is there."""
    path = tmp_path / "one.key"
    path.write_text(content)
    with pytest.raises(SettingsError, match="64 hexadecimal digits"):
        kept_secret(path)
    assert path.read_text() == content


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The sentence names the setting."""
    (tmp_path / "secrets").write_text("a file in its place")
    with pytest.raises(SettingsError, match="set LIGHTBOX_HOME"):
        kept_secret(tmp_path / "secrets" / "one.key")
