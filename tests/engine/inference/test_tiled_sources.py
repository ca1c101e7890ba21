"""Parts of picture files are those of the whole, whatever the file is cut into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from engine.errors import InputError, PictureError, TooLargeError
from engine.imaging import pictures
from engine.inference.tiled_sources import ArraySource, TiffSource, open_source

PARTS = [(0, 0, 90, 130), (5, 100, 40, 30), (60, 0, 30, 1), (89, 129, 1, 1)]


def noise(dtype: Any = np.uint8, channels: int = 3) -> Any:
    shape = (90, 130, channels) if channels > 1 else (90, 130)
    return np.random.default_rng(4).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


@pytest.mark.parametrize(
    "form",
    [
        {"tile": (32, 48), "compression": "zlib"},
        {"rowsperstrip": 7, "compression": "zlib", "predictor": True},
        {"rowsperstrip": 90},
        {"tile": (16, 16)},
    ],
    ids=["tiles", "strips", "one strip", "raw tiles"],
)
@pytest.mark.parametrize("kind", [(np.uint8, 3), (np.uint8, 1), (np.uint16, 3), (np.uint16, 1)])
def test_parts_of_a_tiff_are_those_of_the_whole(
    tmp_path: Path, form: dict[str, Any], kind: tuple[Any, int]
) -> None:
    """Grey and RGB, 8 and 16 bits, tiles and strips: each part equals the decoded whole's."""
    photometric = "rgb" if kind[1] == 3 else "minisblack"
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, noise(*kind), photometric=photometric, **form)
    whole = pictures.decode(path.read_bytes())
    with open_source(path) as source:
        assert isinstance(source, TiffSource)
        assert (source.height, source.width) == (90, 130)
        for top, left, height, width in PARTS:
            part = source.read(top, left, height, width)
            np.testing.assert_array_equal(part, whole[top : top + height, left : left + width])


@pytest.mark.parametrize(
    "form",
    [{"photometric": "miniswhite"}, {"photometric": "rgb", "planarconfig": "separate"}],
    ids=["white is zero", "planes"],
)
def test_other_tiffs_are_decoded_whole(tmp_path: Path, form: dict[str, Any]) -> None:
    """What parts alone would not tell is left to the decoder of whole pictures."""
    path = tmp_path / "one.tif"
    samples = noise() if form["photometric"] == "rgb" else noise(channels=1)
    if "planarconfig" in form:
        samples = np.moveaxis(samples, -1, 0)
    tifffile.imwrite(path, samples, **form)
    with open_source(path) as source:
        assert isinstance(source, ArraySource)
        np.testing.assert_array_equal(
            source.read(0, 0, 90, 130), pictures.decode(path.read_bytes())
        )


def test_a_large_plain_png_is_decoded_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the usual limit of pixels the same pixels come, without a second copy of them."""
    monkeypatch.setattr(pictures, "MAX_PIXELS", 10)
    for name, samples in (("rgb.png", noise()), ("grey.png", noise(channels=1))):
        path = tmp_path / name
        cv2.imwrite(str(path), samples)
        with open_source(path) as source:
            part = source.read(10, 20, 30, 40)
        np.testing.assert_array_equal(
            part, pictures.decode(path.read_bytes(), max_pixels=10**6)[10:40, 20:60]
        )


def test_a_cut_off_large_png_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a file is no picture, however large it says it is."""
    monkeypatch.setattr(pictures, "MAX_PIXELS", 10)
    data = pictures.encode_png(noise())
    path = tmp_path / "half.png"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(PictureError):
        open_source(path)


def test_a_damaged_tile_is_told(tmp_path: Path) -> None:
    """Bytes that do not unpack end in a sentence, not in black pixels."""
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, noise(), photometric="rgb", tile=(32, 48), compression="zlib")
    with tifffile.TiffFile(path) as file:
        at = file.pages.first.dataoffsets[4]
    data = bytearray(path.read_bytes())
    data[at : at + 40] = b"\xff" * 40
    path.write_bytes(data)
    with open_source(path) as source, pytest.raises(PictureError, match="damaged"):
        source.read(0, 0, 90, 130)


@pytest.mark.parametrize(
    ("name", "data", "error", "words"),
    [
        ("none.png", None, InputError, "cannot be read"),
        ("empty.png", b"", PictureError, "empty"),
        ("text.tif", b"II*\0nothing", PictureError, "TIFF"),
    ],
)
def test_what_is_no_picture_is_refused(
    tmp_path: Path, name: str, data: bytes | None, error: type[Exception], words: str
) -> None:
    """A missing, an empty and a broken file each have their sentence."""
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(error, match=words):
        open_source(path)


def test_more_pixels_than_accepted_are_refused(tmp_path: Path) -> None:
    """The limit holds for files that are read part by part too."""
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, noise(), photometric="rgb", tile=(32, 48))
    with pytest.raises(TooLargeError, match="130×90"):
        open_source(path, max_pixels=1000)


@pytest.mark.parametrize("bad", [np.zeros((0, 4, 3), np.uint8), np.zeros((2, 2, 7), np.uint8)])
def test_arrays_that_are_no_picture_are_refused(bad: Any) -> None:
    """No pixels, or seven channels."""
    with pytest.raises(PictureError):
        ArraySource(bad)
