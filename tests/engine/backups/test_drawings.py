"""Strokes that are in no revision yet: saved, rehearsed, brought back, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.annotation.journal import Journal
from engine.annotation.strokes import Stroke
from engine.annotation.working import WorkingMask
from engine.backups.drawings import captured_drawings, look_through
from engine.backups.manifest import Manifest
from engine.errors import BackupError
from tests.engine.backups.archives import read_all, rewritten
from tests.engine.backups.homes import Home, home_at


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with one picture."""
    home = home_at(tmp_path / "home")
    home.add_picture(b"picture")
    return home


def journal(home: Home, image: str = "p") -> Journal:
    """Return the journal of a picture, with the pen taken."""
    found = Journal(home.settings.home / "drawings", image)
    found.take("t", author="ann", name="Ann", is_open=lambda _: True)
    return found


def square(left: float) -> Stroke:
    corners = np.array([[left, 0], [left + 2, 0], [left + 2, 2], [left, 2]])
    return Stroke(tool="rectangle", state=1, points=corners)


def columns(found: Journal) -> list[int]:
    """Return the columns that the strokes which count mark, of a picture of 12×2."""
    mask = WorkingMask((2, 12), lambda _: np.zeros((2, 12), np.uint8))
    mask.follow(found.history())
    return np.flatnonzero(mask.pixels[0] == 1).tolist()


def test_strokes_are_in_the_backup_and_come_back(home: Home) -> None:
    """Saved with two strokes; drawn on, undone and begun elsewhere since; then as it was."""
    drawing = journal(home)
    for left in (0, 4):
        drawing.append(square(left), tab="t")
    record = home.backups.make()
    assert record.state == "good"
    assert record.details["drawings"] == {"pictures": 1, "strokes": 2, "damaged": 0}
    assert "drawings/p.journal" in read_all(home.backups.archive(record.id))
    drawing.append(square(8), tab="t")
    drawing.undo(tab="t", seq=1)
    journal(home, "other").append(square(0), tab="t")
    assert columns(drawing) == [4, 5, 8, 9]
    done = home.backups.restore(record.id)
    assert columns(drawing) == columns(journal(home)) == [0, 1, 4, 5]  # also whoever had it open
    assert columns(journal(home, "other")) == []
    drawing.append(square(10), tab="t")
    assert columns(drawing) == [0, 1, 4, 5, 10, 11]
    home.backups.restore(done.kept_id)  # and the state before, with its strokes
    assert columns(drawing) == [4, 5, 8, 9]
    assert columns(journal(home, "other")) == [0, 1]


def test_a_mask_that_is_open_follows_a_journal_that_was_put_back(home: Home) -> None:
    """Other strokes under the same numbers are other strokes."""
    drawing = journal(home)
    record = home.backups.make()
    drawing.append(square(0), tab="t")
    mask = WorkingMask((2, 12), lambda _: np.zeros((2, 12), np.uint8))
    mask.follow(drawing.history())
    home.backups.restore(record.id)
    again = journal(home)
    again.append(square(6), tab="t")
    mask.follow(drawing.history())
    assert np.flatnonzero(mask.pixels[0] == 1).tolist() == [6, 7]


def test_a_backup_of_an_older_lightbox_leaves_strokes_alone(home: Home) -> None:
    """Its manifest does not speak of drawings; what is drawn since stays."""
    contents = read_all(home.backups.archive(home.backups.make().id))
    manifest = json.loads(contents["manifest.json"])
    del manifest["drawings"]
    manifest["id"] = "01abcdefgh"
    older = {**contents, "manifest.json": json.dumps(manifest).encode()}
    assert Manifest.unpacked(older["manifest.json"]).drawings is None
    adopted = home.backups.adopt(rewritten(home.settings.home / "older.zip", older))
    drawing = journal(home)
    drawing.append(square(0), tab="t")
    home.backups.restore(adopted.id)
    assert columns(drawing) == [0, 1]


def test_a_half_written_line_is_not_saved(home: Home) -> None:
    """What a killed server left of a stroke stays out, and the backup is good."""
    drawing = journal(home)
    drawing.append(square(0), tab="t")
    path = drawing.folder / "journal"
    whole = path.stat().st_size
    with path.open("ab") as stream:
        stream.write(b'0badc0de {"seq": 2, "ki')
    (part,) = captured_drawings(path.parent.parent)
    assert part.size == whole
    assert home.backups.make().details["drawings"]["strokes"] == 1


def test_strokes_that_are_none_fail_the_rehearsal(tmp_path: Path) -> None:
    """A journal with a stroke of a tool that nobody knows is told with its picture."""
    from engine.annotation.lines import append_line

    append_line(tmp_path / "p.journal", {"seq": 1, "kind": "stroke", "stroke": {"tool": "axe"}})
    with pytest.raises(BackupError, match="The strokes of picture p"):
        look_through(tmp_path)
