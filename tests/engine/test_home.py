"""The folder for uploads in flight: own, empty, and cleaned of what dead servers left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import SettingsError
from engine.home import own_temp_folder, private_folder
from engine.settings import Settings


def test_leftovers_of_a_killed_server_are_removed(tmp_path: Path) -> None:
    """A server that was killed leaves pictures behind; the next start removes them."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    left = tmp_path / f"server-{child.pid}"
    left.mkdir()
    (left / "face.png").write_bytes(b"x")
    own = own_temp_folder(Settings(temp_dir=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [own.name]
    assert list(own.iterdir()) == []


def test_a_running_servers_folder_is_left_alone(tmp_path: Path) -> None:
    """Two servers may share a home; neither empties the other's uploads."""
    other = tmp_path / f"server-{os.getppid()}"
    other.mkdir()
    own_temp_folder(Settings(temp_dir=tmp_path))
    assert other.is_dir()


def test_only_the_owner_can_look_inside(tmp_path: Path) -> None:
    """Uploads are pictures of people: the folder is closed to other users."""
    assert own_temp_folder(Settings(temp_dir=tmp_path)).stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file in the place of the folder gives a sentence with the setting to change."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SettingsError, match="LIGHTBOX_TEMP_DIR"):
        own_temp_folder(Settings(temp_dir=tmp_path / "taken"))


def test_private_folders_are_many_and_closed(tmp_path: Path) -> None:
    """Each call gives a folder of its own that other users cannot enter."""
    settings = Settings(temp_dir=tmp_path)
    first, second = private_folder(settings, "spine"), private_folder(settings, "spine")
    assert first != second
    assert first.is_dir()
    assert first.parent == second.parent == tmp_path / "spine"
    assert {path.stat().st_mode & 0o077 for path in (first, second, first.parent)} == {0}


def test_private_folders_of_dead_processes_are_removed(tmp_path: Path) -> None:
    """What a killed server kept of a CT is gone at the next start; a living one's stays."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    dead = tmp_path / "spine" / f"server-{child.pid}-abc"
    alive = tmp_path / "spine" / f"server-{os.getppid()}-abc"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
    private_folder(Settings(temp_dir=tmp_path), "spine")
    assert alive.is_dir()
    assert not dead.exists()


def test_a_private_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The sentence names the folder and the settings that move it."""
    (tmp_path / "spine").write_text("in the way")
    with pytest.raises(SettingsError, match="LIGHTBOX_TEMP_DIR"):
        private_folder(Settings(temp_dir=tmp_path), "spine")
