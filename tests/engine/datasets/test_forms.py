"""What is written in a form is read again from it: every pixel, class, group and split."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from engine.datasets.conventions import classes_of
from engine.datasets.drawing import fill_rings
from engine.datasets.entries import Box, Entry, MaskFile, PictureFile, Shapes
from engine.datasets.forms import FORMS, form_named
from engine.datasets.forms.coco import run_lengths
from engine.datasets.forms.outlines import outline, regions
from engine.datasets.labelling import boxes_of, mask_of
from engine.datasets.opening import open_upload
from engine.datasets.sources import form_of
from engine.datasets.surveying import survey
from engine.errors import PictureError, RequestError
from engine.imaging import pictures
from engine.imaging.drawn_tissue import draw_tissue

STATES = ("background", "unhealthy", "healthy")
NAMED = ("background", "gland", "nucleus of a cell", "vessel")


def mask_of_states() -> np.ndarray:
    """Tissue with a hole, two pixels that touch by a corner, one at the border, and 255."""
    mask = draw_tissue(4, side_px=160).mask
    mask[30:60, 30:60] = 1
    mask[40:50, 40:50] = 2
    mask[43:46, 43:46] = 0
    mask[100, 100] = mask[101, 101] = 1
    mask[159, 159] = 2
    mask[:, 150:] = 255
    mask[159, 159] = 2
    return mask


def entry(name: str, mask: np.ndarray | None, *, group: str = "", split: str = "") -> Entry:
    picture = pictures.encode_png(draw_tissue(len(name), side_px=160).picture)
    labels = None
    if mask is not None:
        _, data = cv2.imencode(".png", mask)
        labels = MaskFile(name=f"{name}.png", read=lambda: bytes(data))
    return Entry(
        name=name,
        image=PictureFile(name=f"{name}.png", read=lambda: picture),
        labels=labels,
        group=group,
        split=split,
        pixel_size_um=0.25,
    )


def read_again(path: Path) -> dict[str, Entry]:
    with open_upload(path) as opened:
        found = form_of(opened).entries(opened)
        entries = [item for item in found if isinstance(item, Entry)]
        # What reads later needs the bytes while the archive is open.
        return {one.name: kept(one) for one in entries}


def kept(one: Entry) -> Entry:
    labels = one.labels
    if isinstance(labels, MaskFile):
        data = labels.read()
        labels = replace(labels, read=lambda: data)
    elif labels is not None and hasattr(labels, "files"):
        files = []
        for file in labels.files:
            content = file.read()
            files.append(replace(file, read=lambda content=content: content))
        labels = replace(labels, files=tuple(files))
    return replace(one, labels=labels)


@pytest.mark.parametrize("name", ["medseg", "flat", "nnunet", "coco", "geojson", "yolo"])
@pytest.mark.parametrize("classes", [STATES, NAMED])
def test_every_pixel_comes_back(tmp_path: Path, name: str, classes: tuple[str, ...]) -> None:
    """Masks, holes, corners, borders and not-annotated pixels are the same after the way round."""
    mask = mask_of_states()
    if classes == NAMED:
        mask[5:9, 5:20] = 3
    written = [
        entry("a", mask, group="patient 1", split="train"),
        entry("b.v2", np.ascontiguousarray(mask.T), group="patient 2", split="test"),
    ]
    path = tmp_path / "out.zip"
    form_named(name).write(written, path, classes=classes)
    seen = survey(path)
    assert seen.pictures == 2
    assert not seen.needs_confirmation
    found = read_again(path)
    assert set(found) == {"a", "b.v2"}
    for one in written:
        again = found[one.name]
        assert (again.group, again.split, again.pixel_size_um) == (one.group, one.split, 0.25)
        values, _ = mask_of(again.labels, mapping=seen.mapping, classes=classes, size=(160, 160))
        expected = mask if one.name == "a" else mask.T
        assert values is not None
        np.testing.assert_array_equal(values, expected)
    assert set(classes_of(seen.mapping.values())) <= set(classes)


def test_objects_come_back_with_their_classes(tmp_path: Path) -> None:
    """A file for each object is called after its class; only what nobody looked at is lost."""
    mask = mask_of_states()
    path = tmp_path / "out.zip"
    form_named("objects").write([entry("a", mask)], path, classes=STATES)
    seen = survey(path)
    again = read_again(path)["a"]
    values, _ = mask_of(again.labels, mapping=seen.mapping, classes=STATES, size=(160, 160))
    assert values is not None
    np.testing.assert_array_equal(values, np.where(mask == 255, 0, mask))


@pytest.mark.parametrize("name", ["voc", "yolo"])
def test_boxes_come_back(tmp_path: Path, name: str) -> None:
    """Cells keep their class and box, to a hundredth of a pixel."""
    boxes = (
        Box(class_name="RBC", x=10, y=20, width=30, height=41),
        Box(class_name="WBC", x=0, y=0, width=160, height=7),
    )
    one = entry("a", None)
    one = replace(one, labels=Shapes(shapes=boxes, classes=("RBC", "WBC")))
    path = tmp_path / "out.zip"
    form_named(name).write([one], path, classes=("background", "RBC", "WBC"))
    found, _ = boxes_of(read_again(path)["a"].labels, (160, 160))
    assert [box.class_name for box in found] == ["RBC", "WBC"]
    for box, again in zip(boxes, found, strict=True):
        assert (again.x, again.y, again.width, again.height) == pytest.approx(
            (box.x, box.y, box.width, box.height), abs=0.01
        )


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_picture_without_labels_is_written_too(tmp_path: Path, form: object) -> None:
    """Nobody drew in it, but it belongs to the dataset; the same bytes come each time."""
    for number in (1, 2):
        form.write([entry("a", None)], tmp_path / f"{number}.zip", classes=STATES)
    one, two = (tmp_path / f"{n}.zip" for n in (1, 2))
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert archive.testzip() is None
        assert sum(name.endswith(".png") for name in archive.namelist()) == 1


def test_names_that_clash_or_cannot_be_written_are_changed(tmp_path: Path) -> None:
    """Two pictures of one name, a slash, upper case: each has a name of its own."""
    rows = [entry(name, mask_of_states()) for name in ("a", "A", "x/../y", "")]
    path = tmp_path / "out.zip"
    form_named("medseg").write(rows, path, classes=STATES)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert [n for n in names if n.startswith("masks/")] == [
        "masks/a.png",
        "masks/A_2.png",
        "masks/x_.._y.png",
        "masks/picture.png",
    ]


def test_nothing_is_left_of_an_export_that_failed(tmp_path: Path) -> None:
    """A mask that is no mask stops it with a sentence; no half archive lies there."""
    bad = entry("a", None)
    bad = replace(bad, labels=MaskFile(name="a.png", read=lambda: b"no picture"))
    with pytest.raises(PictureError, match="mask of a is no grey PNG"):
        form_named("coco").write([bad], tmp_path / "out.zip", classes=STATES)
    assert list(tmp_path.iterdir()) == []


def test_nnunet_has_its_own_numbers(tmp_path: Path) -> None:
    """Consecutive labels, the ignored one last; validation in its fold, test apart."""
    rows = [
        entry("a", mask_of_states(), split="train"),
        entry("b", mask_of_states(), split="validation"),
        entry("c", mask_of_states(), split="test"),
    ]
    path = tmp_path / "out.zip"
    form_named("nnunet").write(rows, path, classes=STATES)
    with zipfile.ZipFile(path) as archive:
        told = json.loads(archive.read("Dataset001_Lightbox/dataset.json"))
        folds = json.loads(archive.read("Dataset001_Lightbox/splits_final.json"))
        label = archive.read("Dataset001_Lightbox/labelsTr/a.png")
        assert "Dataset001_Lightbox/imagesTs/c_0000.png" in archive.namelist()
    assert told["labels"] == {"background": 0, "unhealthy": 1, "healthy": 2, "ignore": 3}
    assert told["numTraining"] == 2
    assert folds == [{"train": ["a"], "val": ["b"]}]
    values = cv2.imdecode(np.frombuffer(label, np.uint8), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(values)) == {0, 1, 2, 3}


def test_a_run_length_is_cocos_own() -> None:
    """Columns first, beginning outside: the docstring's example, and one that begins inside."""
    right = np.array([[0, 1], [0, 1]], np.uint8)
    (region,) = regions(right)
    assert run_lengths(region, (2, 2)) == [2, 2]
    (region,) = regions(right[:, ::-1].copy())
    assert run_lengths(region, (2, 2)) == [0, 2, 2]


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, (9, 11), elements=some.sampled_from([0, 1, 2])))
def test_outlines_hold_exactly_their_pixels(values: np.ndarray) -> None:
    """Whatever is drawn: filling the outlines by the centres of pixels gives it back."""
    again = np.zeros_like(values)
    for region in regions(values):
        outer, holes = outline(region)
        inside, where = fill_rings((outer, *holes), values.shape)
        assert inside.sum() == region.pixels.sum()
        again[where][inside] = region.value
    np.testing.assert_array_equal(again, values)


def test_an_unknown_form_is_refused() -> None:
    """The sentence lists those that there are."""
    with pytest.raises(RequestError, match=r"one of medseg, nnunet, .* but is 'zip'"):
        form_named("zip")
