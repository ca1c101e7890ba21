"""``lightbox dataset list``, ``check`` and ``export`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.cli.__main__ import main
from engine.datasets.surveying import survey
from engine.settings import Settings
from engine.workbench import Workbench
from tests.engine.catalogue.test_datasets import fill


@pytest.fixture
def workbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """A home with one dataset of three pictures, all the same file."""
    monkeypatch.setenv("LIGHTBOX_HOME", str(tmp_path / "home"))
    workbench = Workbench(Settings(home=tmp_path / "home"))
    fill(workbench, "d1", number=3, marked=2)
    return workbench


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("workbench")
def test_the_list_names_every_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    """As text and as one JSON document."""
    assert main(["dataset", "list", "--json"]) == 0
    (one,) = said(capsys)["datasets"]
    assert (one["id"], one["pictures"], one["marked"]) == ("d1", 3, 2)
    assert main(["dataset", "list"]) == 0
    assert "Set d1" in capsys.readouterr().out


@pytest.mark.usefixtures("workbench")
def test_a_check_that_finds_something_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Three times the same file: exit code 1, a sentence, and the figures."""
    assert main(["dataset", "check", "Set d1", "--json"]) == 1
    document = said(capsys)
    assert not document["ok"]
    assert [finding["kind"] for finding in document["findings"]] == ["duplicates"]
    assert document["without_mask"] == 1


@pytest.mark.usefixtures("workbench")
def test_an_export_is_a_file_that_can_be_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ZIP is where it was asked for, whole."""
    out = tmp_path / "out.zip"
    assert main(["dataset", "export", "d1", "--form", "coco", "--out", str(out), "--json"]) == 0
    assert said(capsys)["size"] == out.stat().st_size
    assert survey(out).pictures == 3


@pytest.mark.usefixtures("workbench")
def test_bad_input_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dataset, a form, a folder that is not there: a sentence on standard error."""
    out = str(tmp_path / "x.zip")
    assert main(["dataset", "check", "d9"]) == 2
    assert main(["dataset", "export", "d1", "--form", "tar", "--out", out]) == 2
    assert main(["dataset", "export", "d1", "--out", str(tmp_path / "no" / "x.zip")]) == 2
    said_of = capsys.readouterr().err
    assert "no dataset 'd9'" in said_of
    assert "'form' must be one of" in said_of
    assert "There is no folder" in said_of
