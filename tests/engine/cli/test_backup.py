"""``lightbox backup``: made, listed, checked, put back and cleared out from a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli import main
from engine.store.records import Dataset
from tests.engine.backups.homes import Home, home_at


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with one dataset, which the command finds by its setting."""
    monkeypatch.setenv("LIGHTBOX_HOME", str(tmp_path / "home"))
    home = home_at(tmp_path / "home")
    with home.store.datasets.transaction() as datasets:
        datasets.put(Dataset(id="one", name="One"))
    return home


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["backup", *words, "--json"]) == 0
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def test_made_listed_and_checked(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """The new backup is good, is in the list, and passes a check by the start of its id."""
    made = run_json(capsys, "make")
    assert (made["state"], made["reason"]) == ("good", "by hand")
    listed = run_json(capsys, "list")["backups"]
    assert [row["id"] for row in listed] == [made["id"]]  # type: ignore[union-attr]  # a list
    assert run_json(capsys, "verify", str(made["id"])[:12])["id"] == made["id"]
    assert main(["backup", "list"]) == 0
    assert f"{made['id']}  by hand; records: 1, with files: 0" in capsys.readouterr().out


def test_put_back_with_a_yes(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """``--yes`` puts the latest good one back and says how to undo that."""
    run_json(capsys, "make")
    with home.store.datasets.transaction() as datasets:
        datasets.remove("one")
    assert main(["backup", "restore", "latest", "--yes"]) == 0
    assert "To undo: lightbox backup restore 0" in capsys.readouterr().out
    assert "one" in home.store.datasets.read()


def test_without_a_yes_nobody_is_assumed_to_agree(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a script without ``--yes`` nothing is put back, and the exit code says so."""
    run_json(capsys, "make")
    assert main(["backup", "restore", "latest"]) == 2
    assert "say --yes" in capsys.readouterr().err
    assert len(home.backups.list()) == 1


def test_a_file_from_elsewhere_is_put_back(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An archive's path restores it into a new home, as after the loss of a machine."""
    made = run_json(capsys, "make")
    monkeypatch.setenv("LIGHTBOX_HOME", str(tmp_path / "new"))
    archive = home.backups.archive(str(made["id"]))
    assert run_json(capsys, "restore", str(archive), "--yes")["backup_id"] == made["id"]
    assert "one" in home_at(tmp_path / "new").store.datasets.read()


@pytest.mark.parametrize("name", ["01nothing", "nowhere.zip", "../../etc/passwd"])
def test_what_is_no_backup_is_bad_input(
    home: Home, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown ids and files end with exit code 2 and a sentence."""
    assert main(["backup", "restore", name, "--yes"]) == 2
    assert "lightbox: Expected" in capsys.readouterr().err


def test_damaged_records_can_be_put_right_from_a_terminal(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """When a collection cannot be read, making one fails and putting one back works."""
    run_json(capsys, "make")
    (home.store.folder / "datasets.json").write_bytes(b"torn")
    assert main(["backup", "make"]) == 1
    assert "datasets.json is damaged" in capsys.readouterr().err
    assert main(["backup", "restore", "latest", "--yes"]) == 0
    assert "one" in home.store.datasets.read()


def test_prune_says_what_went(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """Young backups stay: nothing is removed."""
    run_json(capsys, "make")
    assert run_json(capsys, "prune") == {"removed": []}
