"""The journal of strokes: nothing promised is lost, whoever is killed, and one tab draws."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine.annotation.journal import LEASE_S, Journal
from engine.annotation.lines import append_line, read_lines
from engine.annotation.strokes import Stroke
from engine.errors import BusyError, DiskShortError, RequestError, StoreError

ROOT = Path(__file__).parents[3]
WRITER = """
import sys
from pathlib import Path
import numpy as np
from engine.annotation.journal import Journal
from engine.annotation.strokes import Stroke
journal = Journal(Path(sys.argv[1]), "picture")
lease = journal.take(sys.argv[2], author="a", name="Ann", is_open=lambda tab: True, by_force=True)
number = 0
while True:
    number += 1
    points = np.array([[number, index] for index in range(300)])
    mark = f"{sys.argv[2]}-{number}"
    seq = journal.append(Stroke(tool="brush", state=1, points=points, mark=mark), tab=sys.argv[2])
    print(f"{seq} {mark}", flush=True)
"""


def stroke(mark: str = "", x: float = 0.0) -> Stroke:
    return Stroke(tool="brush", state=1, points=np.array([[x, 0.0]]), width_px=2, mark=mark)


def opened(folder: Path, tab: str = "t") -> Journal:
    """Return a journal whose pen ``tab`` has."""
    journal = Journal(folder, "picture")
    take(journal, tab, by_force=True)
    return journal


def take(journal: Journal, tab: str, *, is_open: bool = True, by_force: bool = False) -> str:
    """Ask for the pen; return the tab that has it then."""
    asked = {"author": "a", "name": "Ann", "by_force": by_force}
    return journal.take(tab, is_open=lambda _: is_open, **asked).tab


def places(journal: Journal) -> list[float]:
    return [float(done.stroke.points[0, 0]) for done in journal.history().done if done.stroke]


def test_a_killed_writer_loses_no_stroke_that_it_promised(tmp_path: Path) -> None:
    """After kill -9 in the middle of writing, each stroke whose number was told is there."""
    for attempt in range(4):
        command = [sys.executable, "-c", WRITER, str(tmp_path), f"tab{attempt}"]
        writer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        told = [writer.stdout.readline() for _ in range(3 + attempt * 5)]
        time.sleep(0.003 * attempt)
        writer.send_signal(signal.SIGKILL)
        told += writer.communicate()[0].splitlines()
        history = Journal(tmp_path, "picture").history()
        for line in told:
            seq, mark = line.split()
            assert history.marks[mark] == int(seq)
            assert history.counts(int(seq))


def test_half_a_line_is_taken_away_by_the_next_writer(tmp_path: Path) -> None:
    """What a killed writer left half written is no stroke, and does not spoil the next one."""
    journal = opened(tmp_path)
    journal.append(stroke(x=1), tab="t")
    path = tmp_path / "picture" / "journal"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    again = opened(tmp_path)
    assert places(again) == [1]
    again.append(stroke(x=2), tab="t")
    assert places(Journal(tmp_path, "picture")) == [1, 2]
    assert Journal(tmp_path, "picture").damaged == 0


def test_a_damaged_line_is_left_out_and_told(tmp_path: Path) -> None:
    """A flipped bit costs the stroke that it is in, not those after it."""
    journal = opened(tmp_path)
    for x in (1, 2, 3):
        journal.append(stroke(x=x), tab="t")
    path = tmp_path / "picture" / "journal"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"brush"', b'"crush"')
    path.write_bytes(b"".join(lines))
    again = Journal(tmp_path, "picture")
    assert places(again) == [1, 3]
    assert again.damaged == 1


def test_undo_and_redo_have_no_end(tmp_path: Path) -> None:
    """Forty strokes are taken back and brought back one by one; the next one ends redoing."""
    journal = opened(tmp_path)
    for x in range(40):
        journal.append(stroke(x=x), tab="t")
    for left in reversed(range(40)):
        journal.undo(tab="t")
        assert places(journal) == list(range(left))
    assert journal.undo(tab="t") is None
    for back in range(1, 41):
        journal.redo(tab="t")
        assert places(Journal(tmp_path, "picture")) == list(range(back))
    journal.undo(tab="t")
    journal.append(stroke(x=77), tab="t")
    assert journal.redo(tab="t") is None
    assert places(journal) == [*range(39), 77]


def test_one_stroke_in_the_middle_is_taken_back(tmp_path: Path) -> None:
    """A stroke that is named is taken back, whatever came after, and comes back in its place."""
    journal = opened(tmp_path)
    second = [journal.append(stroke(x=x), tab="t") for x in (1, 2, 3)][1]
    assert journal.undo(tab="t", seq=second) == second
    assert places(journal) == [1, 3]
    assert journal.undo(tab="t", seq=second) is None
    journal.redo(tab="t")
    assert places(journal) == [1, 2, 3]


def test_a_stroke_sent_twice_is_kept_once(tmp_path: Path) -> None:
    """After a broken connection a page sends again what it has; nothing is doubled."""
    journal = opened(tmp_path)
    first = journal.append(stroke("m1"), tab="t")
    assert journal.append(stroke("m1"), tab="t") == first
    assert opened(tmp_path).append(stroke("m1"), tab="t") == first
    assert len(journal.history().done) == 1


def test_going_back_to_a_stored_mask_is_undone_like_a_stroke(tmp_path: Path) -> None:
    """What counts begins with the stored mask then, and with all strokes again after undo."""
    journal = opened(tmp_path)
    journal.append(stroke(x=1), tab="t")
    journal.restore("aa", tab="t", author="a")
    journal.append(stroke(x=2), tab="t")
    assert [done.mask for done in journal.history().done] == ["aa", ""]
    journal.undo(tab="t")
    journal.undo(tab="t")
    assert places(journal) == [1]


def test_a_stored_mask_is_built_upon_only_while_its_strokes_count(tmp_path: Path) -> None:
    """Undoing beyond a stored mask makes it no foundation; redoing makes it one again."""
    journal = opened(tmp_path)
    journal.append(stroke(x=1), tab="t")
    journal.saved("aa", revision="r1", outcome=journal.history().outcome)
    journal.append(stroke(x=2), tab="t")
    assert journal.history().saved.mask == "aa"
    assert journal.history().unsaved == 1
    journal.undo(tab="t")
    assert journal.history().unsaved == 0
    journal.undo(tab="t")
    assert journal.history().saved is None
    journal.redo(tab="t")
    assert journal.history().saved.mask == "aa"


def test_a_second_tab_does_not_draw(tmp_path: Path) -> None:
    """While one tab is open another gets no pen, and its strokes are refused."""
    journal = Journal(tmp_path, "picture")
    assert take(journal, "one") == "one"
    assert take(journal, "two") == "one"
    with pytest.raises(BusyError, match="Ann draws on this picture in another tab"):
        journal.append(stroke(), tab="two")
    with pytest.raises(BusyError, match="another tab"):
        journal.undo(tab="two")
    assert take(journal, "two", by_force=True) == "two"
    with pytest.raises(BusyError, match="another tab"):
        journal.append(stroke(), tab="one")


def test_the_pen_of_a_closed_tab_is_free(tmp_path: Path) -> None:
    """A tab that this process knows to be closed, or whose process ended, keeps nobody waiting."""
    journal = Journal(tmp_path, "picture")
    take(journal, "one")
    assert take(journal, "two", is_open=False) == "two"
    command = [sys.executable, "-c", WRITER, str(tmp_path), "other"]
    writer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    writer.stdout.readline()
    assert take(journal, "two", is_open=False) == "other"
    writer.kill()
    writer.communicate()
    assert take(journal, "two", is_open=False) == "two"


def test_the_pen_of_another_machine_is_free_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tab that nobody here can ask about keeps the pen for as long as a lease lasts."""
    journal = Journal(tmp_path, "picture")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "elsewhere")
        take(journal, "one")
    assert take(journal, "two", is_open=False) == "one"
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + LEASE_S + 1)
    assert take(journal, "two", is_open=False) == "two"


def test_a_full_disk_loses_only_what_was_not_promised(tmp_path: Path) -> None:
    """When a line does not fit, that is told in a sentence and the lines before stay whole."""
    path = tmp_path / "journal"
    append_line(path, {"n": 1})
    code = (
        "import resource, signal, sys; from pathlib import Path; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)); "
        "from engine.annotation.lines import append_line; from engine.errors import LightboxError\n"
        "try:\n    append_line(Path(sys.argv[1]), {'n': 'x' * 9000})\n"
        "except LightboxError as error:\n    print(type(error).__name__, error)"
    )
    command = [sys.executable, "-c", code, str(path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.startswith(DiskShortError.__name__)
    assert "free space" in said
    assert read_lines(path) == ([{"n": 1}], path.stat().st_size, 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A read-only folder is named in a sentence."""
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="make the folder writable"):
        opened(tmp_path)


@pytest.mark.parametrize("image", ["", "../x", "a/b", ".hidden"])
def test_a_name_that_is_no_picture_is_refused(tmp_path: Path, image: str) -> None:
    """No folder is made outside of the one for journals."""
    with pytest.raises(RequestError, match="Expected the id of a picture"):
        Journal(tmp_path, image)
