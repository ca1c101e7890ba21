"""``lightbox dataset import``: asks before it believes, imports by a job, answers in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.__main__ import main
from engine.store import Store
from tests.engine.datasets.uploads import marks, picture, png


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two pictures with masks of 0/255, beside an empty home."""
    monkeypatch.setenv("LIGHTBOX_HOME", str(tmp_path / "home"))
    for number in range(2):
        for kind, array in (("images", picture(number)), ("masks", marks(number) * 255)):
            path = tmp_path / "nuclei" / kind / f"a{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(array))
    return tmp_path / "nuclei"


def test_masks_are_shown_before_they_are_believed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a mapping it ends with 2, says what the masks hold, and stores nothing."""
    assert main(["dataset", "import", str(folder)]) == 2
    told = capsys.readouterr().err
    assert "hold the values 0, 255" in told
    assert "--map 0=background,255=unhealthy" in told
    assert len(Store(folder.parent / "home/records").datasets.read()) == 0


def test_a_folder_is_imported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a mapping a worker of its own does the job; the answer is one JSON document."""
    words = ["dataset", "import", str(folder), "--map", "0=background,255=nucleus", "--json"]
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["sentence"] == "“nuclei” took 2 pictures."
    assert [row["outcome"] for row in answer["files"]] == ["accepted", "accepted"]
    (dataset,) = Store(folder.parent / "home/records").datasets.read().values()
    assert (dataset.id, dataset.classes) == (answer["dataset"], ("background", "nucleus"))


@pytest.mark.parametrize("words", [["nowhere.zip"], ["x.zip", "--map", "0:background"]])
def test_what_cannot_be_meant_ends_with_2(folder: Path, words: list[str]) -> None:
    """A path that is not there and a mapping of another form are bad input."""
    assert folder.is_dir()
    assert main(["dataset", "import", *words]) == 2
