"""Embedded colour profiles, against the published matrices of the colour spaces."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from engine.imaging import pictures

# Colorants of Display P3 adapted to D50, as in the profile that phones embed
# (SMPTE EG 432-1 primaries, D65 white, Bradford adaptation).
P3_COLORANTS = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}
SRGB_COLORANTS = {
    b"rXYZ": (0.43607, 0.22249, 0.01392),
    b"gXYZ": (0.38515, 0.71687, 0.09708),
    b"bXYZ": (0.14307, 0.06061, 0.71410),
}
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def matrix_profile(colorants: dict[bytes, tuple[float, float, float]]) -> bytes:
    """Write a display profile of three colorants and the sRGB curve (ICC.1:2010, §8.3.3)."""
    curve = b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + fixed(*SRGB_CURVE)
    text = "test".encode("utf-16-be")
    words = b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
    tags = {b"desc": words, b"cprt": words, b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)}
    tags |= {name: b"XYZ \0\0\0\0" + fixed(*xyz) for name, xyz in colorants.items()}
    tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", start + len(body), b"lcms", 0x04300000, b"mntr", b"RGB ", b"XYZ "
    )
    head += bytes(12) + b"acsp" + bytes(28) + fixed(0.9642, 1.0, 0.8249)
    return head + bytes(128 - len(head)) + table + body


def expected_srgb(rgb: tuple[int, int, int]) -> np.ndarray:
    """Turn Display P3 levels into sRGB levels by the matrices above, clipped to the gamut."""
    encoded = np.array(rgb) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    p3 = np.array(list(P3_COLORANTS.values())).T
    srgb = np.array(list(SRGB_COLORANTS.values())).T
    light = np.clip(np.linalg.solve(srgb, p3 @ linear), 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("rgb", [(200, 80, 70), (150, 150, 150), (90, 120, 160), (230, 180, 160)])
def test_display_p3_becomes_srgb(kind: str, rgb: tuple[int, int, int]) -> None:
    """Colours of a phone's photo are those that the matrices of both spaces give."""
    options = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}, "JPEG": {"quality": 100}}[kind]
    image = Image.new("RGB", (16, 16), rgb)
    data = saved(image, kind, icc_profile=matrix_profile(P3_COLORANTS), **options)
    picture = pictures.decode(data)
    assert np.abs(picture[8, 8] - expected_srgb(rgb)).max() <= (2.5 if kind == "JPEG" else 1.5)


def test_red_of_display_p3_is_redder_than_its_numbers() -> None:
    """The reason for it all: (200, 80, 70) in P3 is a stronger red than (200, 80, 70) in sRGB."""
    image = Image.new("RGB", (4, 4), (200, 80, 70))
    with_profile = pictures.decode(saved(image, "PNG", icc_profile=matrix_profile(P3_COLORANTS)))
    assert with_profile[0, 0, 0] > 205
    assert with_profile[0, 0, 1] < 78


def test_srgb_by_any_name_changes_nothing() -> None:
    """A profile whose numbers are those of sRGB leaves every pixel as stored."""
    noise = np.random.default_rng(1).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    for profile in (
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        matrix_profile(SRGB_COLORANTS),
    ):
        data = saved(Image.fromarray(noise), "PNG", icc_profile=profile)
        np.testing.assert_array_equal(noise, pictures.decode(data))


def test_profile_and_transparency() -> None:
    """The colours follow the profile, then lie on sRGB white."""
    rgba = Image.new("RGBA", (2, 2), (200, 80, 70, 0))
    rgba.putpixel((0, 0), (200, 80, 70, 255))
    picture = pictures.decode(saved(rgba, "PNG", icc_profile=matrix_profile(P3_COLORANTS)))
    assert np.abs(picture[0, 0] - expected_srgb((200, 80, 70))).max() <= 1.5
    assert picture[1, 1].tolist() == [255, 255, 255]


def test_grey_picture_with_a_colour_profile() -> None:
    """Greys of an RGB profile stay grey: both spaces share their white."""
    image = Image.new("L", (4, 4), 128)
    picture = pictures.decode(saved(image, "PNG", icc_profile=matrix_profile(P3_COLORANTS)))
    assert np.abs(picture.astype(int) - 128).max() <= 1


@pytest.mark.parametrize(
    "profile", [b"", b"broken", bytes(200), matrix_profile(P3_COLORANTS)[:300]]
)
def test_broken_profiles_are_ignored(profile: bytes) -> None:
    """A broken profile costs the colours' correction, not the picture."""
    image = Image.new("RGB", (4, 4), (200, 80, 70))
    picture = pictures.decode(saved(image, "TIFF", icc_profile=profile))
    assert picture[0, 0].tolist() == [200, 80, 70]


def test_profile_for_other_channels_is_ignored() -> None:
    """An RGB profile in a CMYK file means nothing."""
    image = Image.new("CMYK", (4, 4), (0, 255, 0, 0))
    picture = pictures.decode(saved(image, "TIFF", icc_profile=matrix_profile(P3_COLORANTS)))
    assert picture[0, 0].tolist() == [255, 0, 255]
