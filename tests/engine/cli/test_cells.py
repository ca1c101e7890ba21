"""``lightbox cells``: the command as people and programs call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.imaging import pictures
from tests.engine.cells.smears import disc_smear, lymphocyte


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", "cells", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"LIGHTBOX_HOME": str(home), "PATH": "/usr/bin:/bin"},
        cwd=Path(__file__).parents[3],
    )


@pytest.fixture
def smear(tmp_path: Path) -> Path:
    """A file with one lymphocyte at (150, 120)."""
    path = tmp_path / "smear.png"
    path.write_bytes(pictures.encode_png(disc_smear(*lymphocyte(150, 120))))
    return path


def test_one_json_document_with_boxes_in_pixels_of_the_file(tmp_path: Path, smear: Path) -> None:
    """A good file has its cells, a bad one its sentence; the code is 2 when any was bad."""
    bad = tmp_path / "no.png"
    bad.write_bytes(b"none")
    ran = run(tmp_path / "home", str(smear), str(bad), "--backend", "opencv", "--json")
    good, refused = json.loads(ran.stdout)["results"]
    assert ran.returncode == 2
    (cell,) = good["cells"]
    assert set(cell) == {"label", "x", "y", "width", "height", "confidence"}
    assert cell["label"] == "WBC-Lymphocyte"
    assert cell["x"] == pytest.approx(120, abs=3)
    assert cell["height"] == pytest.approx(60, abs=5)
    assert refused["error"]["code"] == "bad_picture"


def test_words_for_people_and_parameters_by_name(tmp_path: Path, smear: Path) -> None:
    """Without --json there is a line with counts; --set changes the detector."""
    ran = run(tmp_path / "home", str(smear), "--backend", "opencv", "--set", "smallest_px=70")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "1 Platelet" in ran.stdout


def test_a_wrong_parameter_is_the_callers_fault(tmp_path: Path, smear: Path) -> None:
    """Code 2 and a sentence with the names that there are."""
    ran = run(tmp_path / "home", str(smear), "--backend", "opencv", "--set", "size=1", "--json")
    assert ran.returncode == 2
    assert "smallest_px" in ran.stdout + ran.stderr
