"""Each form of dataset: recognised among all others, and read to the pixel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.datasets.drawing import fill_rings
from engine.datasets.entries import Box, Entry, FileOutcome
from engine.datasets.labelling import boxes_of, mask_of
from engine.datasets.opening import Opened, open_upload
from engine.datasets.sources import SOURCES, form_of
from engine.datasets.sources.coco import decode_rle
from engine.datasets.surveying import Survey, survey_opened
from engine.errors import DatasetError, RequestError
from tests.engine.datasets.uploads import marks, picture, png, zip_of

SIZE = (48, 64)
SQUARE = np.zeros(SIZE, np.uint8)
SQUARE[10:20, 30:50] = 1
CORNERS = [[30, 10], [50, 10], [50, 20], [30, 20]]


@pytest.fixture
def stack() -> ExitStack:
    """Uploads that stay open until the test ends."""
    with ExitStack() as stack:
        yield stack


def opened_of(tmp_path: Path, stack: ExitStack, files: Mapping[str, bytes]) -> Opened:
    """Open a ZIP of these files."""
    return stack.enter_context(open_upload(zip_of(tmp_path / "upload.zip", files)))


def read(opened: Opened, form: str) -> tuple[Survey, dict[str, Entry], list[FileOutcome]]:
    """Read an upload, which must be of that form, by itself."""
    assert form_of(opened).name == form
    items = list(form_of(opened).entries(opened))
    entries = {item.name: item for item in items if isinstance(item, Entry)}
    return survey_opened(opened), entries, [i for i in items if isinstance(i, FileOutcome)]


def mask_in(seen: Survey, entry: Entry) -> NDArray[np.uint8] | None:
    """Return an entry's mask with the suggested mapping."""
    mask, _ = mask_of(entry.labels, mapping=seen.mapping, classes=seen.classes, size=SIZE)
    return mask


def document(value: object) -> bytes:
    """Return JSON."""
    return json.dumps(value).encode()


def test_flat_folders(tmp_path: Path, stack: ExitStack) -> None:
    """a.png with a_mask.png, b.jpg without one, a mask that belongs to nobody."""
    files = {
        "s/a.png": png(picture(1)),
        "s/a_mask.png": png(marks(1)),
        "s/b.png": png(picture(2)),
        "s/c_mask.png": png(marks(3)),
    }
    seen, entries, others = read(opened_of(tmp_path, stack, files), "flat")
    assert np.array_equal(mask_in(seen, entries["a"]), marks(1))
    assert entries["b"].labels is None
    assert [(o.name, o.outcome) for o in others] == [("s/c_mask.png", "refused")]


def test_splits_and_groups_from_folders(tmp_path: Path, stack: ExitStack) -> None:
    """train/images/p1/a.png is of group p1 and of the training split; equal names do not mix."""
    files = {}
    for split, number in (("train", 1), ("val", 2)):
        files[f"{split}/images/p{number}/a.png"] = png(picture(number))
        files[f"{split}/masks/p{number}/a.png"] = png(marks(number))
    opened = opened_of(tmp_path, stack, files)
    seen = survey_opened(opened)
    rows = [item for item in form_of(opened).entries(opened) if isinstance(item, Entry)]
    assert [(row.split, row.group) for row in rows] == [("train", "p1"), ("validation", "p2")]
    assert np.array_equal(mask_in(seen, rows[1]), marks(2))


def test_lightboxs_own_list_of_classes(tmp_path: Path, stack: ExitStack) -> None:
    """dataset.json beside images/ and masks/ names classes, groups, splits and pixel sizes."""
    files = {
        "images/a.png": png(picture(1)),
        "masks/a.png": png(marks(1)),
        "dataset.json": document(
            {
                "classes": ["background", "gland"],
                "groups": {"a": "patient 7"},
                "splits": {"a": "test"},
                "pixel_size_um": {"a": 0.25},
            }
        ),
    }
    seen, entries, _ = read(opened_of(tmp_path, stack, files), "folders")
    assert not seen.needs_confirmation
    assert seen.classes == ("background", "gland")
    entry = entries["a"]
    assert (entry.group, entry.split, entry.pixel_size_um) == ("patient 7", "test", 0.25)


@pytest.mark.parametrize(
    "labels", [{"background": 0, "gland": 1}, {"0": "background", "1": "gland"}]
)
def test_nnunet(tmp_path: Path, stack: ExitStack, labels: dict[str, object]) -> None:
    """Cases of one channel and their label maps; dataset.json names the classes, old and new."""
    files = {
        "D/imagesTr/c1_0000.png": png(picture(1)),
        "D/imagesTr/c1_0001.png": png(picture(2)),
        "D/labelsTr/c1.png": png(marks(1)),
        "D/imagesTs/c2_0000.png": png(picture(3)),
        "D/dataset.json": document({"labels": labels}),
    }
    seen, entries, others = read(opened_of(tmp_path, stack, files), "nnunet")
    assert seen.classes == ("background", "gland")
    assert not seen.needs_confirmation
    assert np.array_equal(mask_in(seen, entries["c1"]), marks(1))
    assert (entries["c1"].split, entries["c2"].split) == ("train", "test")
    assert "Another channel" in others[0].sentences[0]


def coco_files(rows: list[dict[str, object]]) -> dict[str, bytes]:
    """Return one picture with these annotations."""
    listed = {
        "images": [{"id": 5, "file_name": "a.png", "width": 64, "height": 48}],
        "annotations": [{"id": n, "image_id": 5, **row} for n, row in enumerate(rows)],
        "categories": [{"id": 1, "name": "nucleus"}, {"id": 2, "name": "gland"}],
    }
    return {"data/a.png": png(picture(1)), "annotations/instances_val.json": document(listed)}


def test_coco(tmp_path: Path, stack: ExitStack) -> None:
    """Outlines, run-length codes and boxes; the outline's pixels are those of its corners."""
    code = {"size": [48, 64], "counts": runs_of(marks(4))}
    flat = [number for corner in CORNERS for number in corner]
    rows: list[dict[str, object]] = [
        {"category_id": 1, "segmentation": [flat], "bbox": [30, 10, 20, 10]},
        {"category_id": 2, "segmentation": code},
        {"category_id": 1, "bbox": [1, 2, 3, 4]},
        {"category_id": 1, "bbox": ["x"]},
    ]
    seen, entries, _ = read(opened_of(tmp_path, stack, coco_files(rows)), "coco")
    assert seen.classes == ("background", "nucleus", "gland")
    entry = entries["a"]
    expected = SQUARE.copy()
    expected[marks(4) > 0] = 2
    assert np.array_equal(mask_in(seen, entry), expected)
    boxes, _ = boxes_of(entry.labels, SIZE)
    assert boxes == (Box(class_name="nucleus", x=1, y=2, width=3, height=4),)
    assert entry.notes == ("1 labels are damaged and were left out.",)
    assert entry.split == "validation"


def runs_of(mask: NDArray[np.uint8]) -> list[int]:
    """Return run lengths, columns first, by counting one pixel after the other."""
    runs, last = [0], 0
    for value in mask.T.ravel().tolist():
        if value != last:
            runs.append(0)
            last = value
        runs[-1] += 1
    return runs


def test_cocos_packed_runs() -> None:
    """COCO's own example of packed runs: counts 'ki' and the definition agree by hand.

    Runs 6, 1, 40, 4, 5, 4, 5, 4, 21 of a 9×10 picture are packed as in cocoapi's maskApi.c: the
    first three as they are, later ones as the difference to the one two before.
    """
    runs = [6, 1, 40, 4, 5, 4, 5, 4, 21]
    packed = "".join(pack(run if at < 3 else run - runs[at - 2]) for at, run in enumerate(runs))
    there = decode_rle({"size": [9, 10], "counts": packed})
    assert np.array_equal(there, decode_rle({"size": [9, 10], "counts": runs}))
    assert packed.startswith("61X1")
    with pytest.raises(DatasetError, match="does not fill"):
        decode_rle({"size": [9, 10], "counts": [1, 2]})
    with pytest.raises(DatasetError, match="damaged"):
        decode_rle({"counts": "61"})


def pack(value: int) -> str:
    """Write a number in groups of five bits, as rleToString does."""
    text, more = "", True
    while more:
        group, value = value & 0x1F, value >> 5
        more = value != (-1 if group & 0x10 else 0)
        text += chr((group | (0x20 if more else 0)) + 48)
    return text


VOC = """<annotation><filename>a.jpg</filename>
<object><name>RBC</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>15</xmax><ymax>26</ymax></bndbox></object>
<object><name>RBC</name><bndbox><xmin>9</xmin><ymin>9</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>
<object><name>WBC</name><bndbox><xmin>50</xmin><ymin>40</ymin><xmax>90</xmax><ymax>47</ymax></bndbox></object>
</annotation>"""


def test_voc_boxes(tmp_path: Path, stack: ExitStack) -> None:
    """Boxes become cells; one without area is left out, one beyond the edge is cut; both told."""
    files = {
        "JPEGImages/a.png": png(picture(1)),
        "Annotations/a.xml": VOC.encode(),
        "ImageSets/Main/val.txt": b"a\n",
    }
    seen, entries, _ = read(opened_of(tmp_path, stack, files), "voc")
    entry = entries["a"]
    boxes, notes = boxes_of(entry.labels, SIZE)
    assert [(b.class_name, b.x, b.y, b.width, b.height) for b in boxes] == [
        ("RBC", 5, 6, 10, 20),
        ("WBC", 50, 40, 14, 7),
    ]
    assert len(notes) == 2
    assert mask_in(seen, entry) is None
    assert entry.split == "validation"


def test_voc_label_pictures(tmp_path: Path, stack: ExitStack) -> None:
    """SegmentationClass holds values, labelmap.txt their names, 255 is what nobody labelled."""
    mask = marks(2)
    mask[:3] = 255
    files = {
        "JPEGImages/a.png": png(picture(1)),
        "SegmentationClass/a.png": png(mask),
        "SegmentationObject/a.png": png(mask),
        "labelmap.txt": b"# label:color\nbackground:0,0,0::\ngland:128,0,0::\n",
    }
    seen, entries, _ = read(opened_of(tmp_path, stack, files), "voc")
    assert seen.classes == ("background", "gland")
    assert np.array_equal(mask_in(seen, entries["a"]), mask)


def test_voc_that_declares_entities_is_refused(tmp_path: Path, stack: ExitStack) -> None:
    """A document that would unfold to gigabytes is not read; the sentence says why."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]><annotation>&a;</annotation>'
    files = {"a.png": png(picture(1)), "a.xml": bomb}
    _, entries, others = read(opened_of(tmp_path, stack, files), "voc")
    assert "declares entities" in others[0].sentences[0]
    assert set(entries) <= {"a"}


@pytest.mark.parametrize(
    ("listed", "text"),
    [
        ("data.yaml", "path: x\nnames:\n  0: RBC\n  1: gland\n"),
        ("data.yaml", "names: ['RBC', \"gland\"]\nnc: 2\n"),
        ("data.yaml", "names:\n- RBC\n- gland\n"),
        ("labels/classes.txt", "RBC\ngland\n"),
    ],
)
def test_yolo(tmp_path: Path, stack: ExitStack, listed: str, text: str) -> None:
    """Boxes and outlines in shares of the sides, class names in four ways of writing."""
    shares = " ".join(f"{x / 64:.6f} {y / 48:.6f}" for x, y in CORNERS)
    files = {
        "images/train/a.png": png(picture(1)),
        "labels/train/a.txt": f"0 0.5 0.5 0.25 0.5\n1 {shares}\nnonsense\n".encode(),
        "images/val/b.png": png(picture(2)),
        listed: text.encode(),
    }
    seen, entries, _ = read(opened_of(tmp_path, stack, files), "yolo")
    assert seen.classes == ("background", "RBC", "gland")
    boxes, _ = boxes_of(entries["a"].labels, SIZE)
    assert boxes == (Box(class_name="RBC", x=24, y=12, width=16, height=24),)
    assert np.array_equal(mask_in(seen, entries["a"]), SQUARE * 2)
    assert entries["a"].notes == ("1 lines are no labels and were left out.",)
    assert (entries["a"].split, entries["b"].split) == ("train", "validation")
    assert entries["b"].labels is None


def test_qupath(tmp_path: Path, stack: ExitStack) -> None:
    """Outlines with holes and several parts; classes by name; a point is told and left out."""
    hole = [[35, 12], [40, 12], [40, 15], [35, 15], [35, 12]]
    tumor = {"classification": {"name": "Tumor", "color": [200, 0, 0]}}
    features = [
        feature("Polygon", [[*CORNERS, CORNERS[0]], hole], tumor),
        feature("MultiPolygon", [[[[0, 0], [4, 0], [4, 4], [0, 4]]]], {}),
        feature("Point", [1, 1], {}),
    ]
    files = {
        "slide.png": png(picture(1)),
        "slide.geojson": document({"type": "FeatureCollection", "features": features}),
        "other.png": png(picture(2)),
    }
    seen, entries, _ = read(opened_of(tmp_path, stack, files), "qupath")
    assert seen.classes == ("background", "Tumor", "object")
    expected = SQUARE.copy()
    expected[12:15, 35:40] = 0
    expected[:4, :4] = 2
    assert np.array_equal(mask_in(seen, entries["slide"]), expected)
    assert "points or lines" in entries["slide"].notes[0]
    assert entries["other"].labels is None


def feature(kind: str, coordinates: object, properties: object) -> dict[str, object]:
    """Return a GeoJSON feature."""
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


@pytest.mark.parametrize(
    "names",
    [
        ("x/images/x.png", "x/masks/1.png", "x/masks/2.png"),
        ("images/x.png", "masks/x/1.png", "masks/x/2.png"),
        ("x.png", "x_mask_1.png", "x_mask_2.png"),
    ],
)
def test_masks_of_objects(tmp_path: Path, stack: ExitStack, names: tuple[str, ...]) -> None:
    """Two files, one for each object, become one mask, in three ways of naming them."""
    image, first, second = names
    files = {
        image: png(picture(1)),
        first: png(marks(1) * 255),
        second: png(SQUARE * 255),
    }
    seen, entries, others = read(opened_of(tmp_path, stack, files), "objects")
    assert np.array_equal(mask_in(seen, entries["x"]), np.maximum(marks(1), SQUARE))
    assert not others


def test_masks_of_objects_called_after_their_class(tmp_path: Path, stack: ExitStack) -> None:
    """The name before the number is the class; numbers alone and plain words are objects."""
    parts = {"gland_0001": 0, "gland_2": 8, "vessel-3": 16, "4": 24, "mask_5": 32, "x_6": 40}
    files = {"x/images/x.png": png(picture(1))}
    expected = np.zeros((48, 64), np.uint8)
    classes = ("background", "gland", "vessel", "object")
    for (name, top), value in zip(parts.items(), (1, 1, 2, 3, 3, 3), strict=True):
        one = np.zeros((48, 64), np.uint8)
        one[top : top + 5, 3:30] = 255
        expected[one > 0] = value
        files[f"x/masks/{name}.png"] = png(one)
    seen, entries, _ = read(opened_of(tmp_path, stack, files), "objects")
    assert set(seen.classes) == set(classes)
    labels = entries["x"].labels
    values, _ = mask_of(labels, mapping=seen.mapping, classes=classes, size=(48, 64))
    assert np.array_equal(values, expected)


def test_only_pictures(tmp_path: Path, stack: ExitStack) -> None:
    """Pictures in folders of patients, no label anywhere."""
    files = {"p1/a.png": png(picture(1)), "p2/b.png": png(picture(2)), "notes.txt": b"x"}
    seen, entries, others = read(opened_of(tmp_path, stack, files), "plain")
    assert seen.convention is None
    assert [entries["a"].group, entries["b"].group] == ["p1", "p2"]
    assert others[0].outcome == "left_out"


def test_no_dataset_at_all(tmp_path: Path, stack: ExitStack) -> None:
    """An upload of texts is refused in a sentence; so is a form that does not exist."""
    opened = opened_of(tmp_path, stack, {"a.txt": b"x", "b.csv": b"y"})
    with pytest.raises(DatasetError, match="the upload has none"):
        form_of(opened)
    with pytest.raises(RequestError, match="The form must be one of nnunet"):
        form_of(opened, "dicom-seg")
    assert len({source.name for source in SOURCES}) == len(SOURCES) == 9


def test_pixel_centres_decide() -> None:
    """A triangle's pixels are those whose centres lie inside, counted by hand for each row."""
    triangle = np.asarray([[0, 0], [4, 0], [0, 4]], np.float64)
    inside, where = fill_rings([triangle], (6, 6))
    drawn = np.zeros((6, 6), int)
    drawn[where] = inside
    # centres (x+.5, y+.5) with x + y + 1 < 4
    assert drawn.sum(axis=1).tolist() == [3, 2, 1, 0, 0, 0]
    outside, place = fill_rings([triangle - 100], (6, 6))
    assert not outside.any()
    assert place[0].stop - place[0].start == 0


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/train_1.png", "masks/train_1_anno.png"),
        ("images/21_training.png", "masks/21_manual1.png"),
        ("a/images/Image_01L.png", "a/masks/Image_01L_1stHO.png"),
    ],
)
def test_names_that_differ_in_their_ends(
    tmp_path: Path, stack: ExitStack, image: str, mask: str
) -> None:
    """Where one mask alone can be meant it is taken, and the picture says so."""
    files = {image: png(picture(1)), mask: png(marks(1))}
    seen, entries, others = read(opened_of(tmp_path, stack, files), "folders")
    (entry,) = entries.values()
    assert np.array_equal(mask_in(seen, entry), marks(1))
    assert entry.notes == (f"Its mask is called {Path(mask).name}.",)
    assert others == []


def test_a_picture_that_two_masks_could_be_of(tmp_path: Path, stack: ExitStack) -> None:
    """Two readers' masks: neither is chosen, both are refused; the others are paired."""
    files = {
        "images/a_1.png": png(picture(1)),
        "masks/a_1.png": png(marks(1)),
        "images/a_2.png": png(picture(2)),
        "masks/a_2_first.png": png(marks(2)),
        "masks/a_2_second.png": png(marks(3)),
    }
    seen, entries, others = read(opened_of(tmp_path, stack, files), "folders")
    assert np.array_equal(mask_in(seen, entries["a_1"]), marks(1))
    assert entries["a_2"].labels is None
    assert [other.outcome for other in others] == ["refused", "refused"]
