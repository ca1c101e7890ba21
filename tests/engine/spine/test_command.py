"""``lightbox spine``: one document or a table, files, exit codes, and nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine import cli
from engine.cli import main
from engine.errors import MissingBackendError
from engine.imaging.volumes import Volume
from engine.spine import backends
from tests.engine.spine.oracle import OracleSegmenter, coded_volume, lumbar_phantom, write_nifti


@pytest.fixture
def ct_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lumbar CT, and oracles for every backend."""
    monkeypatch.setattr(
        backends, "_HOMES", dict.fromkeys(backends.BACKENDS, (__name__, "OracleSegmenter"))
    )
    monkeypatch.setenv("LIGHTBOX_HOME", str(tmp_path / "home"))
    return write_nifti(coded_volume(lumbar_phantom()), tmp_path / "ct.nii.gz")


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:
    code = main(["spine", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_json_is_one_document_with_the_file(
    ct_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As ``/detect_vertebrae``, plus ``file``; reading is among the times."""
    code, document = run_json(capsys, str(ct_file))
    assert code == 0
    assert document["file"] == str(ct_file)
    assert document["success"] is True
    assert [one["label"] for one in document["vertebrae"]][-1] == "L5"
    assert list(document["timings_ms"]) == ["reading", "segmenting", "measuring", "auditing"]
    assert (document["backend"], document["task"]) == ("embedded", None)


def test_millimetres_are_the_patients_whatever_the_files_axes(
    ct_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``center_mm`` and ``bounds_mm`` are RAS+: the same for a file in LPS order."""
    volume = coded_volume(lumbar_phantom())
    i, j, _ = volume.shape
    turn = np.array([[-1, 0, 0, i - 1], [0, -1, 0, j - 1], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    turned = Volume(
        voxels=np.ascontiguousarray(volume.voxels[::-1, ::-1]), affine=volume.affine @ turn
    )
    _, one = run_json(capsys, str(ct_file))
    _, other = run_json(capsys, str(write_nifti(turned, tmp_path / "turned.nii")))
    assert other["input"]["axis_codes"] == "LPS"
    for first, second in zip(one["vertebrae"], other["vertebrae"], strict=True):
        assert list(second["center_mm"].values()) == pytest.approx(
            list(first["center_mm"].values()), abs=0.05
        )
        assert second["center"] != first["center"]


def test_a_task_is_told_where_there_is_a_choice(
    ct_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--backend nnunet --task total`` reaches the answer."""
    _, document = run_json(capsys, str(ct_file), "--backend", "nnunet", "--task", "total")
    assert document["task"] == "total"


def test_the_text_names_vertebrae_and_doubts(
    ct_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without ``--json`` a person reads a table, the audit in words, and the disclaimer."""
    assert main(["spine", str(ct_file)]) == 0
    said = capsys.readouterr().out
    for words in ("L5", "cut by the border", "names", "Not a medical device", "oracle 1"):
        assert words in said


def test_without_rare_counts_they_are_not_considered(
    ct_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--no-transitional``: every alternative is a regular spine."""
    _, document = run_json(capsys, str(ct_file), "--no-transitional")
    assert {one["variant"] for one in document["audit"]["alternatives"]} == {"regular"}


def test_files_are_written_and_nothing_else(
    ct_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--out DIR`` writes the downloads that this CT allows; no temporary folder stays."""
    code, _ = run_json(capsys, str(ct_file), "--out", str(tmp_path / "out"))
    assert code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"labels.nii.gz", "vertebrae.csv", "result.json"} <= names
    assert not [name for name in names if name.startswith(".")]
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("content", [b"", b"no CT", b"PK\x03\x04"])
def test_what_is_no_ct_has_exit_code_two_and_a_sentence(
    ct_file: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the document with ``--json``, on standard error without."""
    ct_file.write_bytes(content)
    code, document = run_json(capsys, str(ct_file))
    assert code == 2
    assert document["success"] is False
    assert document["error"]["code"] == "bad_volume"
    assert main(["spine", str(ct_file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("lightbox: ")


def test_a_missing_file_and_a_missing_folder_are_told(
    tmp_path: Path, ct_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a CT that is not there nor a folder that cannot be written is our fault."""
    code, document = run_json(capsys, str(tmp_path / "gone.nii"))
    assert (code, document["error"]["code"]) == (2, "bad_volume")
    code, document = run_json(capsys, str(ct_file), "--out", str(ct_file / "inside"))
    assert code == 2
    assert "cannot be written" in document["error"]["message"]


def test_missing_weights_have_exit_code_one(
    ct_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CT is fine: it is not the caller's input that has to change."""
    monkeypatch.setattr(OracleSegmenter, "missing", lambda _: "Download the weights first.")
    code, document = run_json(capsys, str(ct_file))
    assert code == 1
    assert document["error"] == {
        "code": MissingBackendError.code,
        "message": "Download the weights first.",
    }


def test_an_unknown_backend_is_refused_by_the_parser(
    ct_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Argparse says which there are, with its exit code 2."""
    with pytest.raises(SystemExit, match="2"):
        main(["spine", str(ct_file), "--backend", "magic"])
    assert "totalsegmentator" in capsys.readouterr().err


def test_ctrl_c_is_an_end_of_its_own(
    ct_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 130 as shells have it, and no stack of calls."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(OracleSegmenter, "segment", interrupted)
    assert main(["spine", str(ct_file), "--out", str(ct_file.parent / "out")]) == 130
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "lightbox: stopped\n")
    assert not (ct_file.parent / "out").exists()


def test_progress_is_drawn_on_a_terminal_only(
    ct_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal one line is written over and cleared; else standard error stays empty."""
    main(["spine", str(ct_file)])
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(cli.sys.stderr, "isatty", lambda: True, raising=False)
    main(["spine", str(ct_file)])
    said = capsys.readouterr().err
    assert "Question 10 of 10" in said
    assert said.endswith("\r\x1b[K")
