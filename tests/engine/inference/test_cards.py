"""Cards say everything, and say it truly."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ModelError
from engine.inference import cards
from engine.inference.cards import Conformal, HeadWeights, InputSpec, ModelCard, VolumeSpec


def edit(folder: Path, **changes: object) -> None:
    """Change fields of card.json; ``None`` removes a field."""
    path = folder / "card.json"
    document = json.loads(path.read_text())
    for key, value in changes.items():
        if value is None:
            document.pop(key, None)
        else:
            document[key] = value
    path.write_text(json.dumps(document))


def _fail(_handle: int) -> None:
    raise OSError("disk full")


def test_a_written_card_reads_back_equal(openvino_folder: Path, card: ModelCard) -> None:
    """What is written is what is read, with the sha256 of each file."""
    full = replace(
        card,
        head=HeadWeights(weights_file="head.safetensors"),
        temperature=1.5,
        conformal=Conformal(coverage=0.9, thresholds={"round": 0.5, "square": 1.0, "star": 0.1}),
        experimental=("star",),
        limits=("Only made-up pictures.",),
        metrics={"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}},
        details={"note": "für Prüfungen"},
    )
    written = cards.write(openvino_folder, full)
    content = (openvino_folder / "model.bin").read_bytes()
    assert written.files["model.bin"] == hashlib.sha256(content).hexdigest()
    assert cards.load(openvino_folder) == written


def test_the_document_has_the_agreed_fields(openvino_folder: Path) -> None:
    """card.json uses the names that other programs know."""
    document = json.loads((openvino_folder / "card.json").read_text())
    assert document["schema"] == 1
    assert document["calibration"] == {"temperature": 1.0}
    assert document["input"]["channels"] == "RGB"
    assert document["input"]["mean"] == [0.5, 0.4, 0.3]
    assert set(document["files"]) == {"model.xml", "model.bin", "head.safetensors"}


def test_a_card_cannot_be_changed(card: ModelCard) -> None:
    """Cards are frozen."""
    with pytest.raises(FrozenInstanceError, match="name"):
        card.name = "other"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    "name",
    [
        "name",
        "version",
        "task",
        "architecture",
        "format",
        "input",
        "classes",
        "outputs",
        "licence",
        "source",
        "data",
        "split",
        "created",
    ],
)
def test_a_missing_field_is_named(openvino_folder: Path, name: str) -> None:
    """Each required field that is missing is named in the error."""
    edit(openvino_folder, **{name: None})
    with pytest.raises(ModelError, match=f"lacks the field '{name}'"):
        cards.load(openvino_folder)


SHA = "0" * 64


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("schema", 2, "'schema' should be the number 1, but it is 2"),
        ("schema", True, "'schema' should be the number 1, but it is True"),
        ("licence", "  ", "'licence' should be a text that is not empty, but it is '  '"),
        ("name", 5, r"'name' should be a text that is not empty, but it is 5 \(int\)"),
        ("format", "pickle", "'format' should be one of openvino, onnx, safetensors"),
        ("classes", "round", "'classes' should be a list of texts, but it is 'round'"),
        ("classes", [], "'classes' should be a list with at least one class"),
        ("classes", ["a", "a"], "'classes' should be a list in which no text occurs twice"),
        ("classes", ["a", 3], r"'classes\[1\]' should be a text"),
        ("outputs", [], "'outputs' should be an object with named values"),
        ("outputs", {"logits": 1}, "'outputs.logits' should be a text"),
        ("data", {}, "'data' should be a list of sources of data"),
        ("data", [], "'data' should be a list with at least one source"),
        ("data", [{"name": "x"}], r"lacks the field 'source' in 'data\[0\]'"),
        ("input", {"height": 24, "width": "32"}, "'input.width' should be a whole number"),
        ("input", {"height": 24}, "lacks the field 'width' in 'input'"),
        ("input", {"height": 9, "width": 9, "mean": [0, 0]}, "'input.mean' should be a list of 3"),
        ("input", {"height": 9, "width": 9, "std": [1, 0, 1]}, "3 numbers above 0"),
        ("input", {"height": 9, "width": 9, "channels": "BGR"}, "'RGB' or 'grey'"),
        ("input", {"height": 9, "width": 9, "mean": [0, float("nan"), 0]}, r"'input.mean\[1\]'"),
        ("calibration", {"temperature": 0}, "'calibration.temperature' should be a number from"),
        ("calibration", {"temprature": 2}, r"'calibration' should be made of .*temperature"),
        ("conformal", {"coverage": 90, "thresholds": {}}, "'conformal.coverage' should be a num"),
        (
            "conformal",
            {"coverage": 0.9, "thresholds": {"round": 2}},
            "'conformal.thresholds.round' should be a number from 0 to 1, but it is 2",
        ),
        (
            "conformal",
            {"coverage": 0.9, "thresholds": {"round": 0.2}},
            "a threshold for each of",
        ),
        ("experimental", ["heart"], "'experimental' should be made of the classes"),
        ("created", "yesterday", "'created' should be a date such as"),
        ("files", {"model.xml": "abc"}, "'files.model.xml' should be a sha256"),
        ("liscence", "MIT", "unknown field 'liscence'"),
        ("head", {"weights_file": "model.bin"}, "'head.weights_file' should be a .safetensors"),
    ],
)
def test_a_wrong_field_is_explained(
    openvino_folder: Path, field: str, value: object, message: str
) -> None:
    """The error names the field, what was expected and what came."""
    edit(openvino_folder, **{field: value})
    with pytest.raises(ModelError, match=message):
        cards.load(openvino_folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "should be JSON in UTF-8"),
        (b"{", "should be JSON in UTF-8"),
        (b"\xff\xfe", "should be JSON in UTF-8"),
        (b"[]", "'card.json' should be an object"),
        (b"[" * 100_000, "should be JSON in UTF-8"),
        (b" " * 1_000_001, "at most 1000000 bytes"),
    ],
)
def test_a_damaged_card_is_refused(openvino_folder: Path, content: bytes, message: str) -> None:
    """Bytes that are no card give a sentence."""
    (openvino_folder / "card.json").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        cards.load(openvino_folder)


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    """No card, no model."""
    with pytest.raises(ModelError, match=r"needs a card.json"):
        cards.load(tmp_path)


def test_no_folder_and_a_file_are_told_apart(tmp_path: Path) -> None:
    """A missing folder and a single file each get their sentence."""
    with pytest.raises(ModelError, match="holds nothing; give the folder"):
        cards.load(tmp_path / "nowhere")
    single = tmp_path / "model.xml"
    single.write_text("x")
    with pytest.raises(ModelError, match="holds a single file"):
        cards.load(single)


def test_an_altered_file_is_refused(openvino_folder: Path) -> None:
    """One changed byte is noticed."""
    weights = openvino_folder / "model.bin"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"'model.bin' was altered"):
        cards.load(openvino_folder)


def test_a_missing_file_is_refused(openvino_folder: Path) -> None:
    """A file that the card lists must be there."""
    (openvino_folder / "model.bin").unlink()
    with pytest.raises(ModelError, match=r"lists 'model.bin', but the folder"):
        cards.load(openvino_folder)


def test_an_unlisted_file_is_refused(openvino_folder: Path) -> None:
    """Weights beside the listed ones are not silently ignored."""
    (openvino_folder / "other.bin").write_bytes(b"12345678")
    with pytest.raises(ModelError, match=r"holds 'other.bin', which its card does not list"):
        cards.load(openvino_folder)


def test_harmless_companions_need_not_be_listed(openvino_folder: Path) -> None:
    """A README, a licence text, hidden files and Python's own leftovers are allowed."""
    for name in ("README.md", "LICENSE", ".gitattributes", "__init__.py"):
        (openvino_folder / name).write_text("text")
    (openvino_folder / "__pycache__").mkdir()
    assert cards.load(openvino_folder).name == "shapes"


def test_a_link_is_refused(openvino_folder: Path, tmp_path: Path) -> None:
    """A symbolic link may lead out of the folder, even when its target has the right bytes."""
    outside = tmp_path / "outside.bin"
    weights = openvino_folder / "model.bin"
    weights.rename(outside)
    weights.symlink_to(outside)
    with pytest.raises(ModelError, match="symbolic link"):
        cards.load(openvino_folder)


@pytest.mark.parametrize(
    "name", ["../model.bin", "/etc/passwd", "a/model.bin", "..\\model.bin", "..", "C:model.bin"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(openvino_folder: Path, name: str) -> None:
    """File names in the card are plain names."""
    edit(openvino_folder, files={name: SHA})
    with pytest.raises(ModelError, match="only plain names inside"):
        cards.load(openvino_folder)


def test_a_format_needs_its_files(openvino_folder: Path) -> None:
    """An OpenVINO card without weights, or with two graphs, is refused."""
    document = json.loads((openvino_folder / "card.json").read_text())
    (openvino_folder / "model.bin").unlink()
    files = {name: sha for name, sha in document["files"].items() if name != "model.bin"}
    edit(openvino_folder, files=files)
    with pytest.raises(ModelError, match=r"needs exactly one .bin file"):
        cards.load(openvino_folder)


def test_the_card_appears_whole_or_not_at_all(
    openvino_folder: Path, card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error while writing leaves the old card and no temporary file."""
    before = (openvino_folder / "card.json").read_bytes()
    monkeypatch.setattr(os, "fsync", _fail)
    with pytest.raises(OSError, match="disk full"):
        cards.write(openvino_folder, replace(card, version="2"))
    assert (openvino_folder / "card.json").read_bytes() == before
    assert not list(openvino_folder.glob(".card-*"))


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, np.float32(1)])
def test_metrics_must_be_json(openvino_folder: Path, card: ModelCard, value: object) -> None:
    """NaN, sets and NumPy numbers are not JSON, so they are not written."""
    with pytest.raises(ModelError, match="should hold plain JSON values in 'metrics'"):
        cards.write(openvino_folder, replace(card, metrics={"accuracy": value}))


def test_the_document_of_a_card_makes_the_same_card(card: ModelCard) -> None:
    """to_json and from_json are each other's inverse, without a file between them."""
    assert ModelCard.from_json(card.to_json()) == card


def test_a_grey_input_has_one_channel() -> None:
    """Grey networks have one mean and one deviation."""
    spec = InputSpec(height=4, width=5, channels="grey", mean=(0.5,), std=(0.5,))
    assert spec.shape == (1, 4, 5)


def test_label_joins_name_and_version(card: ModelCard) -> None:
    """People see name and version."""
    assert card.label == "shapes 1.0"


VOLUME = VolumeSpec(grid_mm=4.0, side_multiple=16, normalised_by="here.there")


def test_a_card_of_a_volume_network_comes_back(card: ModelCard) -> None:
    """An input with a grid is read as that of volumes."""
    changed = replace(card, input=VOLUME)
    assert ModelCard.from_json(changed.to_json()) == changed


@pytest.mark.parametrize(
    ("shape", "takes"),
    [
        ((1, 1, 16, 32, 512), True),
        ((3, 1, 16, 16, 16), True),
        ((1, 1, 16, 16, 24), False),
        ((1, 1, 16, 16, 528), False),
        ((1, 1, 16, 16, 0), False),
        ((1, 2, 16, 16, 16), False),
        ((0, 1, 16, 16, 16), False),
        ((1, 16, 16, 16), False),
    ],
)
def test_sides_of_volumes_are_multiples(shape: tuple[int, ...], takes: bool) -> None:
    """A batch of volumes has one channel and sides that the network can halve."""
    assert VOLUME.takes(shape) is takes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grid_mm", 0.0),
        ("side_multiple", 0),
        ("normalised_by", " "),
        ("largest_side", 8),
        ("channels", "RGB"),
        ("axes", "LPS"),
    ],
)
def test_a_wrong_volume_input_is_explained(field: str, value: object) -> None:
    """The message names the field of the input."""
    with pytest.raises(ModelError, match=f"input.{field}"):
        replace(VOLUME, **{field: value})  # type: ignore[arg-type]  # wrong on purpose


def test_a_volume_network_takes_no_pictures(card: ModelCard) -> None:
    """Who asks for the input of pictures is told that there is none."""
    assert card.picture is card.input
    with pytest.raises(ModelError, match="that of pictures"):
        _ = replace(card, input=VOLUME).picture
