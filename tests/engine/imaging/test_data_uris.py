"""Data URIs: every spelling that browsers accept, and a sentence for what they do not."""

from __future__ import annotations

import base64
import io
import textwrap
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from engine.errors import PictureError, RequestError, TooLargeError
from engine.imaging import pictures

PHANTOM = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3) * 2
PAYLOAD = base64.b64encode(pictures.encode_png(PHANTOM)).decode()


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3))),
)
@settings(max_examples=60, deadline=None)
def test_png_data_uris_round_trip(picture: np.ndarray) -> None:
    """Any picture survives the way into a PNG data URI and back, pixel by pixel."""
    np.testing.assert_array_equal(picture, pictures.decode_data_uri(pictures.to_data_uri(picture)))


def test_a_data_uri_is_what_other_libraries_read() -> None:
    """Pillow reads our data URI and sees the same pixels."""
    head, _, payload = pictures.to_data_uri(PHANTOM).partition(",")
    assert head == "data:image/png;base64"
    seen = Image.open(io.BytesIO(base64.b64decode(payload)))
    np.testing.assert_array_equal(PHANTOM, np.asarray(seen))


def test_jpeg_data_uri() -> None:
    """``kind="jpeg"`` says so in the media type and is a JPEG."""
    uri = pictures.to_data_uri(PHANTOM, kind="jpeg")
    assert uri.startswith("data:image/jpeg;base64,/9j/")
    assert pictures.decode_data_uri(uri).shape == PHANTOM.shape


@pytest.mark.parametrize(
    "uri",
    [
        f"data:image/png;base64,{PAYLOAD}",
        f"DATA:IMAGE/PNG;BASE64,{PAYLOAD}",
        f"  data:image/png;base64,{PAYLOAD}\n",
        f"data:image/png;name=eye.png;charset=utf-8;base64,{PAYLOAD}",
        f"data:image/png; base64,{PAYLOAD}",
        f"data:;base64,{PAYLOAD}",
        f"data:image/jpeg;base64,{PAYLOAD}",  # the content decides
        f"data:application/octet-stream;base64,{PAYLOAD}",
        "data:image/png;base64," + "\r\n ".join(textwrap.wrap(PAYLOAD, 40)),
        "data:image/png;base64," + PAYLOAD.rstrip("="),
        "data:image/png;base64," + quote(PAYLOAD, safe=""),
        "data:image/png;base64," + PAYLOAD.replace("+", "-").replace("/", "_"),
    ],
)
def test_spellings(uri: str) -> None:
    """Case, parameters, white space, padding, percent signs and both alphabets are understood."""
    np.testing.assert_array_equal(PHANTOM, pictures.decode_data_uri(uri))


def test_both_alphabets_matter_here() -> None:
    """The phantom's base64 holds + or /, so the URL-safe spelling above is a real test."""
    assert "+" in PAYLOAD or "/" in PAYLOAD


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (PAYLOAD, "starts with 'data:image"),
        ("", "starts with 'data:image"),
        ("https://example.org/eye.png", "Addresses are not fetched"),
        ("/etc/passwd", "starts with 'data:image"),
        ("data:image/png;base64", "starts with 'data:image"),
        ("data:image/svg+xml,%3Csvg/%3E", "';base64' before the comma"),
        ("data:image/png,abc", "';base64' before the comma"),
        ("data:image/png;base64,", "holds nothing after its comma"),
        ("data:image/png;base64,   ==", "holds nothing after its comma"),
        ("data:image/png;base64,%%%", "letters, digits"),
        ("data:image/png;base64,ab*d", "letters, digits"),
        ("data:image/png;base64,abcde", "letters, digits"),
        ("data:image/png;base64,äöü=", "letters, digits"),
        ("data:image/png;base64,ab=cd", "letters, digits"),
    ],
)
def test_bad_uris(uri: str, words: str) -> None:
    """What is no base64 data URI gets a sentence that says what was expected."""
    with pytest.raises(RequestError, match=words):
        pictures.decode_data_uri(uri)


@pytest.mark.parametrize("value", [None, 3, b"data:image/png;base64,", {"url": "data:"}])
def test_what_is_not_text(value: object) -> None:
    """Other types than text are named."""
    with pytest.raises(RequestError, match=f"but got {type(value).__name__}"):
        pictures.decode_data_uri(value)


def test_content_that_is_no_picture() -> None:
    """HTML behind a PNG's media type is still HTML."""
    uri = "data:image/png;base64," + base64.b64encode(b"<html>no</html>").decode()
    with pytest.raises(PictureError, match="an HTML page"):
        pictures.decode_data_uri(uri)


def test_long_texts_are_not_repeated_in_the_message() -> None:
    """A message quotes the beginning only."""
    with pytest.raises(RequestError, match="starts with") as caught:
        pictures.decode_data_uri("A" * 100_000)
    assert len(str(caught.value)) < 300


def test_limits_hold() -> None:
    """Byte and pixel limits are those of the file inside."""
    uri = pictures.to_data_uri(PHANTOM)
    with pytest.raises(TooLargeError, match="at most"):
        pictures.decode_data_uri(uri, max_bytes=50)
    with pytest.raises(TooLargeError, match="7×5"):
        pictures.decode_data_uri(uri, max_pixels=34)
    size = len(pictures.encode_png(PHANTOM))
    assert pictures.decode_data_uri(uri, max_bytes=size, max_pixels=35).shape == (5, 7, 3)
