"""Masks as strangers write them: each convention recognised, and applied without a wrong pixel."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from engine.datasets.conventions import (
    STATE_CLASSES,
    Convention,
    apply,
    checked_mapping,
    classes_of,
    convention_of_names,
    guess,
)
from engine.datasets.mask_files import RawMask, read_mask
from engine.errors import DatasetError, PictureError, RequestError, TooLargeError

SIZE = (120, 160)


def truth() -> NDArray[np.uint8]:
    """Background with a disc of unhealthy (1) and a square of healthy (2) that touch."""
    mask = np.zeros(SIZE, np.uint8)
    cv2.circle(mask, (50, 60), 28, 1, cv2.FILLED)
    cv2.rectangle(mask, (78, 40), (120, 90), 2, cv2.FILLED)
    return mask


def disc() -> NDArray[np.uint8]:
    """Background with one disc of unhealthy."""
    return (truth() == 1).astype(np.uint8)


def png(array: NDArray[np.generic]) -> bytes:
    """Return a PNG of grey or RGB(A) samples."""
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def raw_of(data: bytes) -> RawMask:
    """Read a mask with room enough."""
    return read_mask(data, max_pixels=10_000_000)


def read_back(data: bytes) -> tuple[Convention, NDArray[np.uint8], tuple[str, ...]]:
    """Guess from one mask, believe the guess, apply it."""
    raw = raw_of(data)
    found = guess([raw])
    classes = classes_of(found.suggested.values())
    mask, repairs = apply(raw, found.suggested, classes=classes, size=SIZE)
    return found, mask, repairs


@pytest.mark.parametrize(("high", "kind"), [(1, "0/1"), (255, "0/255")])
def test_two_values(high: int, kind: str) -> None:
    """0/1 and 0/255: the higher value is what is marked; nothing is certain unasked."""
    found, mask, repairs = read_back(png(disc() * np.uint8(high)))
    assert (found.kind, repairs, found.is_certain) == (kind, (), False)
    assert np.array_equal(mask, disc())
    assert found.pixels[str(high)] == int(disc().sum())


@pytest.mark.parametrize("high", [1, 255])
def test_inverted(high: int) -> None:
    """White around a dark disc: the disc is what is marked, and a sentence says why."""
    found, mask, _ = read_back(png((1 - disc()) * np.uint8(high)))
    assert found.kind == "inverted"
    assert "seem inverted" in " ".join(found.sentences)
    assert np.array_equal(mask, disc())


def test_states() -> None:
    """Lightbox's own 0, 1, 2, 255 are certain; without the last they are to be confirmed."""
    own = truth()
    own[:5] = 255
    found, mask, _ = read_back(png(own))
    assert (found.kind, found.is_certain) == ("states", True)
    assert np.array_equal(mask, own)
    assert not guess([raw_of(png(truth()))]).is_certain


@pytest.mark.parametrize("middle", [127, 128])
def test_three_greys(middle: int) -> None:
    """0, 128 (or 127), 255 are three states, whose order the person decides."""
    found, mask, _ = read_back(png(np.array([0, middle, 255], np.uint8)[truth()]))
    assert found.kind == "0/128/255"
    assert np.array_equal(mask, truth())
    other = {"0": "background", str(middle): "healthy", "255": "unhealthy"}
    raw = raw_of(png(np.array([0, middle, 255], np.uint8)[truth()]))
    swapped, _ = apply(raw, other, classes=STATE_CLASSES, size=SIZE)
    assert np.array_equal(swapped, np.array([0, 2, 1], np.uint8)[truth()])


def test_palette() -> None:
    """A palette's colours are told; its indices are the labels, whatever the colours are."""
    image = Image.new("P", SIZE[::-1])
    image.putdata(truth().ravel().tolist())
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    out = io.BytesIO()
    image.save(out, "PNG")
    found, mask, _ = read_back(out.getvalue())
    assert found.kind == "palette"
    assert "1 is #ff0000" in " ".join(found.sentences)
    assert dict(found.suggested) == {"0": "background", "1": "unhealthy", "2": "healthy"}
    assert np.array_equal(mask, truth())


def test_colours() -> None:
    """Red is suggested as unhealthy and green as healthy."""
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)[truth()]
    found, mask, _ = read_back(png(colours))
    assert found.kind == "colours"
    assert set(found.suggested) == {"#000000", "#ff0000", "#00ff00"}
    assert np.array_equal(mask, truth())


def test_other_colours_become_classes() -> None:
    """Colours without a usual meaning become named classes, in their order."""
    colours = np.array([[255, 255, 255], [0, 0, 255], [255, 255, 0]], np.uint8)[truth()]
    found, mask, _ = read_back(png(colours))
    assert found.suggested["#ffffff"] == "background"
    classes = classes_of(found.suggested.values())
    assert classes[0] == "background"
    assert len(classes) == 3
    assert np.array_equal(mask == classes.index(found.suggested["#0000ff"]), truth() == 1)


def test_softened_edges_of_two_levels() -> None:
    """A mask drawn with smooth edges: the middle between both levels decides, as in its drawing."""
    big = cv2.resize(disc() * 255, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    soft = cv2.resize(big, SIZE[::-1], interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(soft, (3, 3), 0.8)
    found, mask, repairs = read_back(png(soft))
    assert found.kind == "0/255"
    assert "softened edges" in repairs[0]
    assert np.array_equal(mask, (soft >= 128).astype(np.uint8))


def test_softened_edges_of_three_levels() -> None:
    """An edge from 0 to 255 passes through 128 without leaving a line of the middle class."""
    soft = cv2.GaussianBlur(np.array([0, 128, 255], np.uint8)[truth()], (3, 3), 0.8)
    found, mask, _ = read_back(png(soft))
    assert found.kind == "0/128/255"
    wrong = mask != truth()
    assert wrong.mean() < 0.01
    right_edge = mask[45:85, 112:]  # healthy against background, no unhealthy anywhere near
    assert not (right_edge == 1).any()


def test_jpeg_masks() -> None:
    """JPEG's noise around 0 and 255 is softened edges, too."""
    out = io.BytesIO()
    Image.fromarray(disc() * 255).save(out, "JPEG", quality=70)
    found, mask, repairs = read_back(out.getvalue())
    assert found.kind == "0/255"
    assert repairs
    assert (mask != disc()).mean() < 0.005


def test_mask_of_another_size() -> None:
    """The same shape at half the size is enlarged, told, and keeps its labels."""
    half = cv2.resize(truth(), (80, 60), interpolation=cv2.INTER_NEAREST)
    _, mask, repairs = read_back(png(half))
    assert mask.shape == SIZE
    assert "from 80×60 to its picture's 160×120" in repairs[-1]
    assert (mask != truth()).mean() < 0.02
    assert set(np.unique(mask)) == {0, 1, 2}


def test_mask_of_another_shape_is_refused() -> None:
    """A mask on its side cannot belong to the picture; the sentence says what was expected."""
    raw = raw_of(png(np.ascontiguousarray(disc().T)))
    with pytest.raises(DatasetError, match="Mask is 120×160 but its picture is 160×120") as told:
        apply(raw, {"0": "background", "1": "unhealthy"}, classes=STATE_CLASSES, size=SIZE)
    assert "on its side" in str(told.value)


def test_extra_channels() -> None:
    """Equal channels, a full transparency channel, marks in the transparency: all are one mask."""
    grey = disc() * 255
    full = np.full(SIZE, 255, np.uint8)
    for channels, words in (
        ((grey, grey, grey), "Three equal channels"),
        ((grey, grey, grey, full), "transparency channel was dropped"),
        ((full, full, full, grey), "marks are in the transparency"),
    ):
        found, mask, repairs = read_back(png(np.dstack(channels)))
        assert found.kind == "0/255"
        assert words in " ".join(repairs)
        assert np.array_equal(mask, disc())


def test_sixteen_bits_and_one_bit() -> None:
    """Labels of 16 bits and of one bit are the numbers themselves."""
    deep = read_back(png(truth().astype(np.uint16)))[1]
    assert np.array_equal(deep, truth())
    out = io.BytesIO()
    Image.fromarray(disc() * 255).convert("1").save(out, "PNG")
    found, mask, _ = read_back(out.getvalue())
    assert found.kind == "0/1"
    assert np.array_equal(mask, disc())


def test_numbers_of_objects() -> None:
    """A number for each of 30 nuclei: all become one class, whatever numbers come later."""
    objects = np.zeros(SIZE, np.uint16)
    for number in range(30):
        y, x = 12 + 20 * (number // 7), 12 + 22 * (number % 7)
        cv2.circle(objects, (x, y), 6, number + 1, cv2.FILLED)
    found, mask, _ = read_back(png(objects))
    assert found.kind == "objects"
    assert np.array_equal(mask, (objects > 0).astype(np.uint8))


def test_named_classes() -> None:
    """Four values above zero become four classes; 255 stays 'nobody looked'."""
    values = np.zeros(SIZE, np.uint8)
    for value in range(1, 5):
        values[20 * value : 20 * value + 15] = value
    values[:, -10:] = 255
    mapping = {str(v): f"tissue {v}" for v in range(1, 5)}
    mapping |= {"0": "background", "255": "not_annotated"}
    raw = raw_of(png(values))
    assert guess([raw]).suggested["255"] == "not_annotated"
    classes = classes_of(mapping.values())
    mask, _ = apply(raw, mapping, classes=classes, size=SIZE)
    assert np.array_equal(mask, values)


def test_a_form_that_names_its_classes_is_believed() -> None:
    """What nnU-Net's own list says needs no confirmation."""
    found = convention_of_names({0: "background", 1: "gland"})
    assert (found.kind, found.is_certain) == ("named", True)
    assert dict(found.suggested) == {"0": "background", "1": "gland"}


def test_only_empty_masks() -> None:
    """Nothing but zeros: told, and a full mask of another file still has a meaning."""
    found = guess([raw_of(png(np.zeros(SIZE, np.uint8)))])
    assert found.kind == "one value"
    assert found.suggested["255"] == "unhealthy"


def test_a_value_nobody_mapped_is_refused() -> None:
    """A second disc of 77 is no softened edge; the sentence names the value."""
    values = disc() * 255
    cv2.circle(values, (130, 90), 20, 77, cv2.FILLED)
    mapping = {"0": "background", "255": "unhealthy"}
    with pytest.raises(DatasetError, match="such as 77"):
        apply(raw_of(png(values)), mapping, classes=STATE_CLASSES, size=SIZE)


def test_fractions_and_floods_are_refused() -> None:
    """Probabilities are no labels; a mask above the limit is not decoded; a text is no mask."""
    out = io.BytesIO()
    Image.fromarray(np.full(SIZE, 0.3, np.float32)).save(out, "TIFF")
    with pytest.raises(PictureError, match="fractions"):
        raw_of(out.getvalue())
    with pytest.raises(TooLargeError, match="megapixels"):
        read_mask(png(disc()), max_pixels=100)
    with pytest.raises(PictureError, match="Expected a picture"):
        raw_of(b"no mask at all")


def test_mappings_that_say_nothing_are_refused() -> None:
    """Keys are values or colours, targets are names, and there must be one."""
    assert checked_mapping({"0": "Background", "#FF0000": " gland "}) == {
        "0": "background",
        "#ff0000": "gland",
    }
    with pytest.raises(RequestError, match="Expected a value"):
        checked_mapping({"red": "unhealthy"})
    with pytest.raises(RequestError, match="must be mapped to"):
        checked_mapping({"1": ""})
    with pytest.raises(RequestError, match="empty"):
        checked_mapping({})


def _strips(values: list[int]) -> RawMask:
    """Return a mask of upright strips with these values, background between them."""
    labels = np.zeros(SIZE, np.int32)
    for at, value in enumerate(values):
        labels[20:100, 10 + 20 * at : 22 + 20 * at] = value
    return RawMask(labels=labels)


def test_a_few_numbered_objects_are_objects() -> None:
    """Masks with 1 to 3, 1 to 5 and no object, each in one piece, number what they hold."""
    found = guess([_strips([1, 2, 3]), _strips([2, 1, 3, 5, 4]), _strips([])])
    assert found.kind == "objects"
    assert found.suggested == {"0": "background", "*": "unhealthy"}


@pytest.mark.parametrize(
    "masks",
    [
        [[1, 2, 3], [3, 2, 1]],  # always the same three
        [[1, 2, 3], [1, 3]],  # one of them is missing in between
        [[1, 2, 3, 1, 2, 3], [1, 2, 1, 2]],  # several pieces
    ],
)
def test_classes_are_no_objects(masks: list[list[int]]) -> None:
    """What every mask has, may lack, or has in pieces is a class."""
    found = guess([_strips(values) for values in masks])
    assert found.kind == "classes"
    assert found.suggested["3"] == "class 3"
