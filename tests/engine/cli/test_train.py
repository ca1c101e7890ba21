"""``lightbox train``: from a ZIP to a model folder that opens, and every refusal in a sentence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine import cli
from engine.cli.train_folder import OutFolder
from engine.errors import RequestError
from engine.inference import cards
from engine.segmentation.scoring import confusion, overlaps
from engine.segmentation.segmenter import open_segmenter

SMALL = ("--patch", "64", "--batch-size", "4")


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    """Leave the other core to other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a dark picture with bright discs, and their mask of 0 and 255."""
    random = np.random.default_rng(seed)
    mask = np.zeros((64, 80), np.uint8)
    for _ in range(4):
        middle = int(random.integers(8, 72)), int(random.integers(8, 56))
        cv2.circle(mask, middle, int(random.integers(5, 10)), 255, cv2.FILLED)
    grey = np.where(mask > 0, 170, 60) + random.normal(0, 12, mask.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2), mask


def _discs(path: Path, count: int = 10) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for seed in range(count):
            picture, mask = _picture(seed)
            archive.writestr(f"images/{seed}.png", cv2.imencode(".png", picture)[1].tobytes())
            archive.writestr(f"masks/{seed}_mask.tif", cv2.imencode(".tif", mask)[1].tobytes())
    return path


def test_a_zip_becomes_a_model_that_opens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six epochs on discs: all files are there, and the model finds discs that it never saw."""
    out = tmp_path / "model"
    arguments = ["train", str(_discs(tmp_path / "discs.zip")), "--out", str(out), "--json"]
    assert cli.main([*arguments, *SMALL, "--epochs", "6", "--mapping", "255=disc"]) == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert document["classes"] == ["background", "disc"]
    assert document["mapping"] == {"0": "background", "255": "disc"}
    assert document["epochs"] == 6
    assert "255 is disc" in told.err
    wanted = {"weights.safetensors", "card.json", "metrics.json", "curves.png"}
    assert wanted | {"model.xml", "model.bin"} <= {path.name for path in out.iterdir()}
    assert sorted(document["files"]) == sorted(path.name for path in out.iterdir())
    card = cards.load(out)
    assert (card.name, card.classes) == ("discs", ("background", "disc"))
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["dice"]["disc"]["value"] == document["metrics"]["dice"]["disc"]["value"]
    picture, mask = _picture(99)
    answer = open_segmenter(out).predict(picture).mask
    assert overlaps(confusion((mask > 0).astype(np.uint8), answer, 2))[1].dice > 0.85


def _run(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "engine.cli", "train", *arguments],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_keeps_the_best(tmp_path: Path) -> None:
    """After the first epoch Ctrl-C ends the training; the model is written all the same."""
    out = tmp_path / "model"
    archive = str(_discs(tmp_path / "discs.zip"))
    process = _run(archive, "--out", str(out), *SMALL, "--epochs", "2000", "--json")
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if line.startswith("epoch"):
            break
    process.send_signal(signal.SIGINT)
    output, rest = process.communicate(timeout=60)
    assert process.returncode == 0, seen + rest
    document = json.loads(output)
    assert document["stopped"]
    assert 1 <= document["epochs"] < 2000
    assert cards.load(out).classes == ("background", "foreground")


def test_a_killed_training_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Kill -9 after an epoch; the same command goes on from the checkpoint, others are refused."""
    out = tmp_path / "model"
    archive = str(_discs(tmp_path / "discs.zip"))
    process = _run(archive, "--out", str(out), *SMALL, "--epochs", "3")
    deadline = time.monotonic() + 120
    while not (out / ".training" / "checkpoint.json").is_file():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()
    other = ["--epochs", "3", "--seed", "5"]
    assert cli.main(["train", archive, "--out", str(out), *SMALL, *other]) == 2
    assert "unfinished training with seed 0" in capsys.readouterr().err
    assert cli.main(["train", archive, "--out", str(out), *SMALL, "--epochs", "3", "--json"]) == 0
    told = capsys.readouterr()
    assert "Going on from step" in told.err
    assert json.loads(told.out)["epochs"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.zip", "--out", "o"], "no file or folder"),
        (["discs.zip", "--out", "o", "--minutes", "0.01"], "--minutes must be at least 0.2"),
        (["discs.zip", "--out", "o", "--epochs", "0"], "--epochs must be above 0"),
        (["discs.zip", "--out", "o", "--variant", "vnet"], "unet"),
        (["discs.zip", "--out", "o", "--mapping", "255"], "VALUE=CLASS"),
        (["discs.zip", "--out", "o", "--mapping", "0=background,255=background"], "a class beside"),
        (["discs.zip", "--out", "discs.zip"], "must be a folder"),
        (["discs.zip", "--out", "."], "must be new or empty"),
    ],
)
def test_what_cannot_be_done_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    """Bad input ends with exit code 2, one sentence, and no model."""
    monkeypatch.chdir(tmp_path)
    _discs(tmp_path / "discs.zip", count=3)
    assert cli.main(["train", *arguments]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
    assert not (tmp_path / "o" / "card.json").exists()


def test_a_finished_folder_is_left_alone(tmp_path: Path) -> None:
    """A model is never written over."""
    (tmp_path / "card.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RequestError, match="holds a finished model"):
        OutFolder(tmp_path).check()


def test_a_training_that_learnt_nothing_is_forgotten(tmp_path: Path) -> None:
    """With another mapping a failed start is begun anew; what was learnt is not thrown away."""
    folder = OutFolder(tmp_path / "out")
    folder.begin({"mapping": []})
    (folder.work / "prepared").mkdir()
    folder.begin({"mapping": []})
    assert (folder.work / "prepared").is_dir()
    folder.begin({"mapping": ["255=gland"]})
    assert not (folder.work / "prepared").exists()
    (folder.work / "checkpoint.json").write_text("{}", encoding="utf-8")
    folder.begin({"mapping": ["255=gland"]})
    with pytest.raises(RequestError, match="unfinished training with mapping"):
        folder.begin({"mapping": []})


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A place below a file is refused in a sentence."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RequestError, match="cannot be written"):
        OutFolder(tmp_path / "file" / "below").begin({})
