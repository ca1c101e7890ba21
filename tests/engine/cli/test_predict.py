"""``lightbox predict``: the command as people and programs call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from engine.cli import main
from engine.cli.predict_files import targets
from engine.errors import InputError
from engine.imaging import pictures
from engine.segmentation.segmenter import open_segmenter
from tests.engine.segmentation.conftest import model_folder, network

__all__ = ["model_folder", "network"]  # fixtures of the segmentation's own tests

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], model_folder: Path) -> Run:
    """Return a function that runs the command with --json and gives its code and document."""

    def call(*arguments: str | Path) -> tuple[int, Any]:
        code = main(
            [
                *("predict", str(model_folder), *map(str, arguments)),
                *("--json", "--precision", "f32", "--threads", "1"),
            ]
        )
        out = capsys.readouterr().out
        return code, json.loads(out) if out else None

    return call


def noise(seed: int, height: int = 40, width: int = 50) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved(path: Path, picture: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pictures.encode_png(picture))
    return path


def read(path: str | Path) -> Any:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_a_mask_with_the_index_of_each_pixels_class(
    run: Run, tmp_path: Path, model_folder: Path
) -> None:
    """DIR/<stem>.png is what the model says; the document has its shares."""
    picture = noise(0)
    path = saved(tmp_path / "in" / "one.png", picture)
    code, document = run(path, "--out", tmp_path / "out")
    mask = read(tmp_path / "out" / "one.png")
    wanted = open_segmenter(model_folder, precision="f32", threads=1).predict(picture)
    np.testing.assert_array_equal(mask, wanted.mask)
    (result,) = document["results"]
    assert (code, document["classes"]) == (0, ["background", "unhealthy", "healthy"])
    assert result["mask"] == str(tmp_path / "out" / "one.png")
    for index, row in enumerate(result["classes"]):
        assert row["area_px"] == (mask == index).sum()
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["one.png"]


def test_probabilities_and_an_overlay_on_request(run: Run, tmp_path: Path) -> None:
    """The .npz says the same mask; the overlay has the picture's size; mm² follow the pixel."""
    path = saved(tmp_path / "one.png", noise(1))
    code, document = run(
        *(path, "--out", tmp_path / "out", "--probabilities", "--overlay"),
        *("--pixel-size-um", "1000"),
    )
    (result,) = document["results"]
    with np.load(result["probabilities"]) as archive:
        shares = archive["probabilities"]
    np.testing.assert_array_equal(shares.argmax(axis=0), read(result["mask"]))
    assert read(result["overlay"]).shape == (40, 50, 3)
    assert sum(row["area_mm2"] for row in result["classes"]) == pytest.approx(40 * 50)
    assert code == 0


def test_one_bad_picture_does_not_stop_the_others(run: Run, tmp_path: Path) -> None:
    """Bad and missing ones have their sentences, good ones their masks; the code is 2."""
    good = saved(tmp_path / "good.png", noise(2))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"none")
    code, document = run(bad, tmp_path / "missing.png", good, "--out", tmp_path / "out")
    refused, missing, answered = document["results"]
    assert code == 2
    assert refused["error"]["code"] == "bad_picture"
    assert missing["error"]["code"] == "bad_input"
    assert Path(answered["mask"]).is_file()


def test_a_large_tiff_goes_by_parts_and_equals_the_picture(run: Run, tmp_path: Path) -> None:
    """A tiled TIFF of 16 bits and the PNG of its bytes have the same mask."""
    picture = noise(3, 150, 200)
    path = tmp_path / "deep.tif"
    tifffile.imwrite(
        path, picture.astype(np.uint16) * 257, photometric="rgb", tile=(64, 64), compression="zlib"
    )
    code, document = run(path, saved(tmp_path / "flat.png", picture), "--out", tmp_path / "out")
    deep, flat = (read(result["mask"]) for result in document["results"])
    assert code == 0
    np.testing.assert_array_equal(deep, flat)


def test_pictures_of_one_name_both_get_their_mask(run: Run, tmp_path: Path) -> None:
    """A folder stands for its pictures; the second ``a`` becomes ``a-2``, as the document says."""
    first = saved(tmp_path / "x" / "a.png", noise(4))
    second = saved(tmp_path / "y" / "a.png", noise(5, 30, 30))
    (tmp_path / "y" / "notes.txt").write_text("no picture")
    code, document = run(first, second.parent, "--out", tmp_path / "out")
    names = [Path(result["mask"]).name for result in document["results"]]
    assert (code, names) == (0, ["a.png", "a-2.png"])
    assert [read(tmp_path / "out" / name).shape for name in names] == [(40, 50), (30, 30)]


def test_names_never_meet(tmp_path: Path) -> None:
    """Not with ``a-2`` that comes later, not by upper case, not with an overlay's name."""
    given = [Path(name) for name in ("a.png", "A.jpg", "a-2.png", "b.png", "b_overlay.png")]
    stems = [target.stem for target in targets(given, tmp_path)]
    assert stems == ["a", "A-3", "a-2", "b", "b_overlay-2"]


def test_a_picture_is_never_overwritten_by_its_mask(run: Run, tmp_path: Path) -> None:
    """--out that is the picture's own folder is refused for a PNG of the same name."""
    path = saved(tmp_path / "one.png", noise(6))
    before = path.read_bytes()
    code, document = run(path, "--out", tmp_path)
    assert (code, path.read_bytes()) == (2, before)
    assert "--out" in document["results"][0]["error"]["message"]


def test_words_for_people(
    capsys: pytest.CaptureFixture[str], model_folder: Path, tmp_path: Path
) -> None:
    """Without --json there is a line for each picture: shares, counts, where the mask is."""
    path = saved(tmp_path / "one.png", noise(7))
    code = main(["predict", str(model_folder), str(path), "--out", str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert code == 0
    assert "% background" in out
    assert str(tmp_path / "out" / "one.png") in out


def test_a_folder_without_a_card_is_our_fault_or_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No model, no masks: a sentence on standard error."""
    path = saved(tmp_path / "one.png", noise(8))
    code = main(["predict", str(tmp_path), str(path), "--out", str(tmp_path / "out")])
    assert code == 1
    assert "card.json" in capsys.readouterr().err


def test_an_empty_folder_and_an_impossible_out_are_refused(tmp_path: Path) -> None:
    """Before anything is opened."""
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="there are none"):
        targets([tmp_path / "none"], tmp_path / "out")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="--out"):
        targets([Path("a.png")], tmp_path / "file")
