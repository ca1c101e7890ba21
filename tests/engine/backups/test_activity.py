"""One at a time, and others can see how far it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.backups.activity import Work, current_activity
from engine.errors import BusyError, SettingsError

_HOLD = """
import sys, time
from pathlib import Path
from engine.backups.activity import Work
with Work(Path(sys.argv[1]), "restore", id="01abc"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_progress_is_seen_by_others_while_it_lasts(tmp_path: Path) -> None:
    """The note of a work is there while it runs, with fraction and stage, and gone after."""
    assert current_activity(tmp_path) is None
    with Work(tmp_path, "backup", id="01abc"):
        seen = current_activity(tmp_path)
        assert seen is not None
        assert (seen.kind, seen.id, seen.fraction, seen.stage) == (
            "backup",
            "01abc",
            0,
            "beginning",
        )
        assert seen.sentence == "A backup is being made: beginning (0%)."
    assert current_activity(tmp_path) is None


def test_the_second_is_told_what_the_first_does(tmp_path: Path) -> None:
    """Two at once: the second is refused with the first one's progress, not mixed in."""
    with (
        Work(tmp_path, "restore"),
        pytest.raises(BusyError, match="is being restored: beginning"),
    ):
        Work(tmp_path, "backup")


def test_a_killed_holder_leaves_neither_lock_nor_note(tmp_path: Path) -> None:
    """After ``kill -9`` nobody is shown as working, and the next one can begin."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(BusyError, match="is being restored"):
        Work(tmp_path, "backup")
    process.kill()
    process.wait()
    process.stdout.close()
    assert current_activity(tmp_path) is None
    with Work(tmp_path, "backup"):
        assert current_activity(tmp_path) is not None


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file where the folder should be ends in a sentence that names the setting."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match="LIGHTBOX_BACKUP_DIR"):
        Work(tmp_path / "file" / "backups", "backup")
