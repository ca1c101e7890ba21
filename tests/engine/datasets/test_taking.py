"""Single pictures on their way in: 16 bits, tiled TIFF, sizes of pixels, nothing of the person."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from engine.datasets import identity, large_pictures
from engine.datasets.taking import take_picture, thumbnail
from engine.errors import PictureError, TooLargeError
from engine.imaging import pictures
from tests.engine.datasets.uploads import jpeg, marks, picture, png

SECRET = "Doe^Jane 1970"


def tiff(array: np.ndarray[Any, Any], **options: Any) -> bytes:
    """Return a TIFF written by another library."""
    out = io.BytesIO()
    tifffile.imwrite(out, array, **options)
    return out.getvalue()


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_sixteen_bits_stay_sixteen(form: str) -> None:
    """12 bits in 16 are moved up by 4, without loss, so that white is white."""
    ramp = np.linspace(0, 4095, 64 * 48).reshape(48, 64).astype(np.uint16)
    data = tiff(ramp) if form == "tiff" else bytes(cv2.imencode(".png", ramp)[1])
    taken = take_picture(data)
    stored = cv2.imdecode(np.frombuffer(taken.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    assert np.array_equal(stored >> 4, ramp)
    assert (taken.bits, taken.channels, taken.media_type) == (16, 1, "image/png")
    assert int(taken.picture.max()) >= 254
    assert "moved up by 4" in taken.notes[-1]


def test_a_tiled_pyramid_is_read_and_keeps_its_pixel_size() -> None:
    """A tiled TIFF with a smaller level gives its first level, and micrometres from its tags."""
    full = picture(1, height=256, width=384)
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        options: dict[str, Any] = {"tile": (64, 64), "photometric": "rgb", "metadata": None}
        writer.write(
            full, subifds=1, resolution=(20_000, 20_000), resolutionunit="CENTIMETER",
            description=SECRET, **options,
        )  # fmt: skip
        writer.write(full[::2, ::2].copy(), subfiletype=1, **options)
    taken = take_picture(out.getvalue())
    assert np.array_equal(taken.picture, full)
    assert taken.pixel_size_um == pytest.approx(0.5)
    assert "TIFF ImageDescription" in taken.removed
    assert SECRET.encode() not in taken.data


def test_large_pictures_become_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit it is a tiled TIFF whose levels halve, and whose first is the picture."""
    monkeypatch.setattr("engine.datasets.taking._LARGE_PIXELS", 1_000_000)
    full = picture(2, height=1300, width=2100)
    taken = take_picture(png(full, Author=SECRET))
    assert taken.media_type == "image/tiff"
    assert SECRET.encode() not in taken.data
    assert taken.removed == ("PNG tEXt Author",)
    with tifffile.TiffFile(io.BytesIO(taken.data)) as file:
        levels = file.series[0].levels
        assert [level.shape[:2] for level in levels] == [(1300, 2100), (650, 1050), (325, 525)]
        assert levels[0].keyframe.is_tiled
        assert np.array_equal(levels[0].asarray(), full)
    small = large_pictures.encode(full, pixel_size_um=0.25)
    assert take_picture(small).pixel_size_um == pytest.approx(0.25)


def test_paper_sizes_are_no_pixel_sizes() -> None:
    """300 dots per inch say how it was to be printed, not what a microscope saw."""
    assert take_picture(tiff(picture(1), resolution=(300, 300))).pixel_size_um is None
    aperio = "Aperio Image Library v1 |AppMag = 20|MPP = 0.4990"
    taken = take_picture(tiff(picture(1), description=aperio, metadata=None))
    assert taken.pixel_size_um == pytest.approx(0.499)


def test_jpeg_keeps_its_packed_pixels() -> None:
    """EXIF, XMP, IPTC, comments and what follows the end go; pixels and turn stay to the bit."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0132], exif[0x0112] = SECRET, "1970:01:01 00:00:00", 3
    exif.get_ifd(0x8825)[1] = "N"
    original = jpeg(picture(3), exif)
    extra = b"\xff\xfe\x00\x10" + SECRET.encode() + b"\x00"
    extra += b"\xff\xe1\x00\x2ahttp://ns.adobe.com/xap/1.0/\x00<x/>" + bytes(7)
    extra += b"\xff\xed\x00\x10Photoshop 3.0\x00"
    dirty = original[:2] + extra + original[2:] + b"hidden " + SECRET.encode()
    clean, removed = identity.strip(dirty)
    assert SECRET.encode() not in clean
    assert np.array_equal(pictures.decode(clean), pictures.decode(original))
    for name in ("EXIF Make", "EXIF DateTime", "EXIF GPSLatitudeRef", "XMP block", "IPTC block"):
        assert name in removed
    assert "JPEG comment" in removed
    assert "Bytes after the end of the picture" in removed
    assert not any(SECRET in name for name in removed)
    assert identity.strip(clean) == (clean, ())


@pytest.mark.parametrize("options", [{"progressive": True}, {"optimize": True}, {"quality": 5}])
def test_every_kind_of_jpeg_survives(options: dict[str, Any]) -> None:
    """Progressive, optimised and coarse files are the same bytes after nothing was taken out."""
    out = io.BytesIO()
    Image.fromarray(picture(4)).save(out, "JPEG", **options)
    assert identity.strip(out.getvalue()) == (out.getvalue(), ())


def test_other_forms_become_png_without_loss() -> None:
    """A BMP and a TIFF of 8 bits give the same pixels as PNG."""
    out = io.BytesIO()
    Image.fromarray(picture(5)).save(out, "BMP")
    for data in (out.getvalue(), tiff(picture(5), photometric="rgb")):
        taken = take_picture(data)
        assert taken.media_type == "image/png"
        assert np.array_equal(pictures.decode(taken.data), picture(5))


def test_broken_and_too_large_are_told() -> None:
    """A cut PNG, a text and a picture above the limit."""
    with pytest.raises(PictureError, match=r"incomplete|damaged"):
        take_picture(png(picture(1))[:300])
    with pytest.raises(PictureError, match="Expected a picture"):
        take_picture(b"hello")
    with pytest.raises(TooLargeError, match="megapixels"):
        take_picture(png(picture(1)), max_pixels=1000)


def test_thumbnails_are_small_and_show_the_outline() -> None:
    """At most 320 pixels a side, with a light line around what is marked."""
    dark = np.zeros((480, 640, 3), np.uint8)
    mask = cv2.resize(marks(1), (640, 480), interpolation=cv2.INTER_NEAREST)
    small = pictures.decode(thumbnail(dark, np.asarray(mask, np.uint8)))
    assert small.shape == (240, 320, 3)
    assert small.max() > 150
    assert pictures.decode(thumbnail(dark)).max() < 10
