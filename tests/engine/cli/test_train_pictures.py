"""Datasets as people pack them, read for a training through the real reader."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from engine.cli.train_meaning import parse_mapping
from engine.cli.train_pictures import read_pictures
from engine.errors import DatasetError, RequestError

Encode = Callable[[np.ndarray], bytes]


def _pillow(kind: str, **options: object) -> Encode:
    def encode(array: np.ndarray) -> bytes:
        written = io.BytesIO()
        Image.fromarray(array).save(written, kind, **options)
        return written.getvalue()

    return encode


def _png(array: np.ndarray) -> bytes:
    return cv2.imencode(".png", array)[1].tobytes()


def _tiff(array: np.ndarray) -> bytes:
    written = io.BytesIO()
    tifffile.imwrite(written, array)
    return written.getvalue()


def _square(at: int, *, value: int = 1) -> np.ndarray:
    mask = np.zeros((48, 64), np.uint8)
    mask[8 : 28 + at, 10 : 30 + at] = value
    return mask


def _picture(at: int) -> np.ndarray:
    noise = np.random.default_rng(at).integers(0, 60, (48, 64, 3))
    return (noise + 120 * _square(at)[..., np.newaxis]).astype(np.uint8)


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def _dataset(
    path: Path,
    *,
    picture: str = "images/{n:02}.png",
    mask: str = "masks/{n:02}.png",
    encode_picture: Encode = _png,
    encode_mask: Encode = _png,
    change: Callable[[np.ndarray], np.ndarray] = lambda mask: mask * 255,
    count: int = 8,
) -> Path:
    files = {}
    for n in range(count):
        files[picture.format(n=n)] = encode_picture(_picture(n))
        files[mask.format(n=n)] = encode_mask(np.ascontiguousarray(change(_square(n))))
    return _zip(path, files)


def _numbered(mask: np.ndarray) -> np.ndarray:
    """Cut the square into strips, more for larger ones, and number them."""
    count = 2 + int(mask.sum()) % 4
    left = np.indices(mask.shape)[1] - 10
    return (mask * (1 + np.minimum(left // 6, count - 1))).astype(np.uint8)


CONVENTIONS = {
    "0 and 255": {},
    "0 and 1": {"change": lambda mask: mask},
    "tif pictures, gif masks": {
        "picture": "images/{n:02}_training.tif",
        "mask": "masks/{n:02}_training.gif",
        "encode_picture": _tiff,
        "encode_mask": _pillow("GIF"),
    },
    "names ending in _mask": {"mask": "masks/{n:02}_mask.png"},
    "names ending in _gt, jpg pictures": {
        "picture": "images/{n:02}.jpg",
        "mask": "masks/{n:02}_gt.png",
        "encode_picture": _pillow("JPEG", quality=95),
    },
    "bmp pictures and masks of numbered objects": {
        "picture": "images/train_{n}.bmp",
        "mask": "masks/train_{n}_anno.bmp",
        "encode_picture": _pillow("BMP"),
        "encode_mask": _pillow("BMP"),
        "change": _numbered,
    },
    "manual segmentations of vessels": {
        "picture": "images/{n:02}_training.tif",
        "mask": "masks/{n:02}_manual1.gif",
        "encode_picture": _tiff,
        "encode_mask": _pillow("GIF"),
    },
    "a first observer's drawing": {
        "picture": "images/Image_{n:02}L.jpg",
        "mask": "masks/Image_{n:02}L_1stHO.png",
        "encode_picture": _pillow("JPEG", quality=95),
        "encode_mask": _pillow("PNG"),
    },
    "one bit per pixel": {
        "encode_mask": lambda mask: _pillow("PNG")(mask > 0),
        "change": lambda mask: mask,
    },
    "softened jpg masks": {
        "mask": "masks/{n:02}.jpg",
        "encode_mask": _pillow("JPEG", quality=80),
    },
    "grey masks with three channels": {
        "change": lambda mask: np.stack([255 * mask] * 3, axis=2),
        "encode_mask": _pillow("PNG"),
    },
    "inverted": {"change": lambda mask: 255 * (1 - mask)},
    "compressed tif masks, folders in a folder": {
        "picture": "set/images/{n:02}.png",
        "mask": "set/masks/{n:02}.tiff",
        "encode_mask": _tiff,
    },
    "capital folders": {"picture": "Data/Images/{n:02}.PNG", "mask": "Data/Masks/{n:02}.PNG"},
    "beside each other": {"picture": "all/{n:02}.png", "mask": "all/{n:02}_mask.png"},
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_binary_masks_however_they_are_kept(tmp_path: Path, convention: str) -> None:
    """Whatever the files are called and hold, the square is class 1 in every mask."""
    path = _dataset(tmp_path / "glands.zip", **CONVENTIONS[convention])
    with read_pictures(path, mapping={}) as read:
        assert read.training_set.name == "glands"
        assert read.training_set.classes == ("background", "foreground")
        assert len(read.training_set.examples) == 8
        assert read.notes == ()
        for example in read.training_set.examples:
            picture, mask = example.load()
            at = int("".join(letter for letter in example.name if letter.isdigit())[:2])
            assert picture.shape == (48, 64, 3)
            np.testing.assert_array_equal(mask, _square(at))


def test_classes_that_a_person_names(tmp_path: Path) -> None:
    """--mapping names what it says and leaves the rest as it was guessed."""
    path = _dataset(tmp_path / "a.zip")
    with read_pictures(path, mapping=parse_mapping(["255=gland"])) as read:
        assert read.training_set.classes == ("background", "gland")
        assert read.meaning.mapping == {"0": "background", "255": "gland"}
    with read_pictures(path, mapping=parse_mapping(["0=vessel", "255=background"])) as read:
        mask = read.training_set.examples[0].load()[1]
        np.testing.assert_array_equal(mask, 1 - _square(0))


def test_three_states_and_what_nobody_annotated(tmp_path: Path) -> None:
    """0, 1, 2 and 255 are Lightbox's own states."""

    def states(mask: np.ndarray) -> np.ndarray:
        mask[0:8, 40:] = 2
        mask[40:, :] = 255
        return mask

    path = _dataset(tmp_path / "tissue.zip", change=states)
    with read_pictures(path, mapping={}) as read:
        assert read.training_set.classes == ("background", "unhealthy", "healthy")
        mask = read.training_set.examples[0].load()[1]
        assert set(np.unique(mask).tolist()) == {0, 1, 2, 255}


def test_sixteen_bits_keep_their_depth(tmp_path: Path) -> None:
    """A 12-bit camera's grey picture is not black."""
    path = _dataset(
        tmp_path / "a.zip",
        picture="images/{n:02}.tif",
        encode_picture=lambda picture: _tiff(picture[..., 0].astype(np.uint16) * 16),
    )
    with read_pictures(path, mapping={}) as read:
        assert read.training_set.examples[0].load()[0].max() > 120


def test_a_folder_is_read_as_a_zip(tmp_path: Path) -> None:
    """The same files unpacked, named after the folder."""
    with zipfile.ZipFile(_dataset(tmp_path / "a.zip")) as archive:
        archive.extractall(tmp_path / "vessels")
    with (
        read_pictures(tmp_path / "vessels", mapping={}) as read,
        read_pictures(tmp_path / "a.zip", mapping={}) as packed,
    ):
        assert read.training_set.name == "vessels"
        assert read.training_set.manifest_sha256 == packed.training_set.manifest_sha256


def test_splits_and_groups_that_the_dataset_names_are_kept(tmp_path: Path) -> None:
    """Folders called train and test say the part; folders below images say the group."""
    files = {}
    for n in range(4):
        part = "train" if n < 3 else "test"
        files[f"{part}/images/slide{n // 2}/{n}.png"] = _png(_picture(n))
        files[f"{part}/masks/slide{n // 2}/{n}.png"] = _png(_square(n, value=255))
    with read_pictures(_zip(tmp_path / "a.zip", files), mapping={}) as read:
        found = {one.name: (one.split, one.group) for one in read.training_set.examples}
    assert found == {
        "0": ("train", "slide0"),
        "1": ("train", "slide0"),
        "2": ("train", "slide1"),
        "3": ("test", "slide1"),
    }


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    """A picture without mask, a damaged one and a mask of another shape are named; others go on."""
    path = _dataset(tmp_path / "a.zip", count=5)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images/lonely.png", _png(_picture(1)))
        archive.writestr("images/torn.png", _png(_picture(1))[:200])
        archive.writestr("masks/torn.png", _png(_square(1, value=255)))
        archive.writestr("images/wide.png", _png(_picture(1)))
        archive.writestr("masks/wide.png", _png(np.zeros((10, 64), np.uint8)))
    with read_pictures(path, mapping={}) as read:
        assert len(read.training_set.examples) == 5
        told = " ".join(read.notes)
    assert "1 pictures have no mask" in told
    assert "images/torn.png" in told
    assert "images/wide.png: Mask is 64×10" in told


def _refusal(path: Path, mapping: dict[str, str] | None = None) -> str:
    with pytest.raises(DatasetError) as refused, read_pictures(path, mapping=mapping or {}):
        pass
    return str(refused.value)


def test_what_no_training_can_use(tmp_path: Path) -> None:
    """Pictures alone, one picture, empty masks, full masks: each a sentence with a way out."""
    only = {f"images/{n}.png": _png(_picture(n)) for n in range(3)}
    assert "Expected pictures with masks" in _refusal(_zip(tmp_path / "a.zip", only))
    assert "at least 2 pictures" in _refusal(_dataset(tmp_path / "b.zip", count=1))
    empty = _dataset(tmp_path / "c.zip", change=lambda mask: 0 * mask)
    assert "--mapping" in _refusal(empty)
    full = _dataset(tmp_path / "d.zip", change=lambda mask: 0 * mask + 255)
    assert "every pixel is gland" in _refusal(full, {"255": "gland"})


def test_a_mapping_that_is_none() -> None:
    """Pairs have a value, an equals sign and a class."""
    assert parse_mapping(["0=background, 255 = gland", "7=b"]) == {
        "0": "background",
        "255": "gland",
        "7": "b",
    }
    for text in ("255", "=gland", "255="):
        with pytest.raises(RequestError, match="VALUE=CLASS"):
            parse_mapping([text])
