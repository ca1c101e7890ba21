"""Picture files and data URIs to pixels, and back.

A picture is always ``(H, W, 3) uint8``, RGB in sRGB, upright. The content decides what a file is,
never its name or stated type. Nothing global is changed, so every function may run in any thread.
Volumes, DICOM and anything inside a picture are other modules' business.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
import zlib
from typing import Literal
from urllib.parse import unquote_to_bytes

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from engine.errors import PictureError, RequestError, TooLargeError
from engine.imaging.colour_profiles import to_srgb
from engine.imaging.headers import Header, damaged, read_header
from engine.imaging.samples import over_white, to_rgb

__all__ = [
    "MAX_PIXELS",
    "Picture",
    "data_uri_bytes",
    "decode",
    "decode_data_uri",
    "encode_jpeg",
    "encode_png",
    "from_array",
    "to_data_uri",
]

Picture = NDArray[np.uint8]
"""Pixels ``(H, W, 3) uint8``, RGB in sRGB, upright."""

MAX_PIXELS = 50_000_000
"""Default limit of a picture: 50 megapixels, which take 150 MB as pixels."""

_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError),
    UserWarning,  # of Pillow, about odd tags, where warnings are errors
)
"""What Pillow raises for broken files, besides the errors of struct and zlib."""

# The classes themselves, because Image.open() checks against a limit that is global.
_OPENERS = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "gif": GifImagePlugin.GifImageFile,
}


def decode(
    data: bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int | None = None,
    white: float | None = None,
) -> Picture:
    """Decode a PNG, JPEG, WebP, TIFF, BMP or GIF; of several pages or frames, the first.

    The EXIF turn is applied, an ICC profile is followed to sRGB, transparency is laid over white,
    CMYK is converted, 16-bit and float samples are scaled and not clipped (``white`` is the sample
    that becomes 255; by default the full range that the file declares, see
    :func:`engine.imaging.samples.to_rgb`). Of the gamma and mastering notes of a PNG only the ICC
    profile counts.

    Raises
    ------
    TooLargeError
        When the file has more than ``max_bytes``, or its header states more than ``max_pixels``;
        nothing is decoded then.
    PictureError
        When the bytes are empty, cut off, damaged or something else.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise PictureError(
            f"Expected the bytes of a picture file, but got {type(data).__name__}; "
            "read the file in binary mode."
        )
    data = bytes(data)
    _check_bytes(len(data), max_bytes)
    header = read_header(data)
    _check_pixels(header.width, header.height, max_pixels)
    samples = None
    if header.kind == "png" or _is_plain(header):
        samples = _through_opencv(data, header)
    if samples is None and header.kind == "png":
        # Pillow would fill missing rows with black.
        raise damaged("png", "its data does not fill it")
    if samples is not None and _is_plain(header):
        deep_white = white if header.bits > 8 else None
        return _upright(to_rgb(samples, white=deep_white), header.orientation)
    if header.kind == "tiff" and (header.bits > 8 or header.is_float):
        deep = to_rgb(_deep_tiff(data, header), white=white or _declared_white(header))
        return _upright(deep, header.orientation)
    return _through_pillow(data, header, max_pixels=max_pixels, white=white)


def decode_data_uri(
    uri: str,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int | None = None,
) -> Picture:
    """Decode ``data:image/png;base64,…`` without loss; the content decides, not the stated type.

    Upper and lower case, further parameters, white space, missing ``=`` and percent signs are
    read as browsers read them. The letters ``-`` and ``_`` of URL-safe base64 are taken for
    ``+`` and ``/``, since no other reading exists.

    Raises
    ------
    RequestError
        When the text is no data URI, not base64, or empty.
    PictureError, TooLargeError
        As :func:`decode`.
    """
    data = data_uri_bytes(uri, max_bytes=max_bytes)
    return decode(data, max_pixels=max_pixels, max_bytes=max_bytes)


def data_uri_bytes(uri: str, *, max_bytes: int | None = None) -> bytes:
    """Return the file in a data URI, read as :func:`decode_data_uri` does, and not decoded.

    Raises
    ------
    RequestError
        When the text is no data URI, not base64, or empty.
    TooLargeError
        When it holds more than ``max_bytes``.
    """
    if not isinstance(uri, str):
        raise RequestError(
            "Expected a picture as text 'data:image/png;base64,…', but got "
            f"{type(uri).__name__}; encode the file's bytes as base64."
        )
    head, comma, payload = uri.lstrip().partition(",")
    if not comma or head[:5].lower() != "data:":
        raise RequestError(
            "Expected a picture as text that starts with 'data:image/…;base64,', but got "
            f"{_shortened(uri)}; put that before the base64 text. Addresses are not fetched."
        )
    if "base64" not in (part.strip().lower() for part in head.split(";")[1:]):
        raise RequestError(
            f"Expected ';base64' before the comma of the data URI, but got {_shortened(head)}; "
            "encode the file's bytes as base64."
        )
    _check_bytes(len(payload) * 3 // 4 - 2, max_bytes)
    return _from_base64(payload)


def from_array(
    array: NDArray[np.generic], *, max_pixels: int = MAX_PIXELS, white: float | None = None
) -> Picture:
    """Return an array from another library as a picture; it may share memory with ``array``.

    ``array`` is ``(H, W)`` or ``(H, W, 1..4)`` of bool, whole numbers or floats: grey, grey +
    alpha, RGB or RGBA, already upright (``gr.Image(type="numpy", image_mode=None)`` gives these).
    Samples are scaled as :func:`engine.imaging.samples.to_rgb` says.

    Raises
    ------
    PictureError
        For another shape or type, or samples outside 0..white.
    TooLargeError
        For more than ``max_pixels``.
    """
    if isinstance(array, np.ndarray) and array.ndim >= 2:
        _check_pixels(array.shape[1], array.shape[0], max_pixels)
    return to_rgb(array, white=white)


def encode_png(picture: Picture) -> bytes:
    """Return the picture as a PNG file, without loss and without metadata."""
    return _encode(picture, ".png", [])


def encode_jpeg(picture: Picture, quality: int = 90) -> bytes:
    """Return the picture as a JPEG file of ``quality`` 1..100, without metadata."""
    return _encode(picture, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def to_data_uri(picture: Picture, kind: Literal["png", "jpeg"] = "png") -> str:
    """Return the picture as a data URI that a page or a JSON document can hold."""
    data = encode_png(picture) if kind == "png" else encode_jpeg(picture)
    return f"data:image/{kind};base64," + base64.b64encode(data).decode("ascii")


# --- limits ------------------------------------------------------------------------------------


def _check_bytes(size: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size > max_bytes:
        raise TooLargeError(
            f"The picture has {size / 1e6:.1f} MB, but at most {max_bytes / 1e6:.1f} MB are "
            "accepted; make it smaller or save it as JPEG."
        )


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise TooLargeError(
            f"The picture is {width}×{height} ({width * height / 1e6:.1f} megapixels), but at most "
            f"{max_pixels / 1e6:.1f} megapixels are accepted; make it smaller."
        )


# --- the everyday cases, through OpenCV ---------------------------------------------------------


def _is_plain(header: Header) -> bool:
    """Tell whether OpenCV reads this file exactly as Pillow does, or deeper, and in less time."""
    if header.has_profile or header.has_palette or header.has_transparent_colour:
        return False
    if header.kind == "jpeg":
        return header.bits == 8 and header.channels in (1, 3) and header.is_complete
    return header.kind == "png" and header.bits in (8, 16)


def _through_opencv(data: bytes, header: Header) -> NDArray[np.generic] | None:
    """Return the samples as stored, RGB(A) or grey; None when they are damaged."""
    is_jpeg = header.kind == "jpeg"
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        samples = cv2.imdecode(
            np.frombuffer(data, np.uint8), flags if is_jpeg else cv2.IMREAD_UNCHANGED
        )
    except cv2.error:
        return None
    if samples is None or is_jpeg or samples.ndim == 2:
        return samples
    return cv2.cvtColor(
        samples, cv2.COLOR_BGR2RGB if samples.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    )


# --- everything else, through Pillow -----------------------------------------------------------


def _through_pillow(
    data: bytes, header: Header, *, max_pixels: int, white: float | None
) -> Picture:
    try:
        with _OPENERS[header.kind](io.BytesIO(data)) as image:
            _check_pixels(
                image.width, image.height, max_pixels
            )  # a GIF frame may exceed its canvas
            image.load()
            deep = _through_opencv(data, header) if _is_deep_png(header) else None
            if deep is None:
                pixels = _flat(image, white=white)
            else:
                pixels = _follow_profile(to_rgb(deep, white=white), image.info.get("icc_profile"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise TooLargeError(
            f"The {header.kind.upper()} unpacks to far more than its header states; "
            "make it smaller and export it again."
        ) from problem
    except (*_BROKEN, struct.error, zlib.error) as problem:
        raise damaged(header.kind, _reason(problem)) from problem
    # Pillow turns a TIFF itself.
    return pixels if header.kind == "tiff" else _upright(pixels, header.orientation)


def _flat(image: Image.Image, *, white: float | None) -> Picture:
    """Return any mode of Pillow as RGB over white."""
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        return to_rgb(np.asarray(image), white=white)
    profile = image.info.get("icc_profile")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        # Pillow has no way from La, premultiplied grey, to RGBA but through LA.
        whole = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        colour = whole.convert("RGB")
        if profile:
            colour = to_srgb(colour, profile)
        return over_white(np.asarray(colour), np.asarray(whole.getchannel("A")))
    if image.mode == "LAB":
        return np.array(_lab_to_rgb(image))
    if profile:
        return np.array(to_srgb(image, profile))
    return np.array(image.convert("RGB"))


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    turn = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    changed = ImageCms.applyTransform(image, turn)
    assert changed is not None
    return changed


def _follow_profile(pixels: Picture, profile: bytes | None) -> Picture:
    return np.array(to_srgb(Image.fromarray(pixels), profile)) if profile else pixels


def _reason(problem: Exception) -> str:
    """Return Pillow's own words when they fit into a sentence."""
    words = str(problem).strip().rstrip(".")
    return words if 0 < len(words) < 80 and "\n" not in words else "its data cannot be decoded"


# --- deep samples, which Pillow would cut to 8 bits ---------------------------------------------


def _is_deep_png(header: Header) -> bool:
    return header.kind == "png" and header.bits == 16


def _deep_tiff(data: bytes, header: Header) -> NDArray[np.generic]:
    """Return the samples of a TIFF's first page, ``(H, W[, S])``, dark to bright."""
    import tifffile  # loads slowly, and few pictures need it

    if header.bits == 12 and header.channels == 1:  # packed: two samples in three bytes
        with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as image:
            return np.asarray(image)
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages[0]
            samples = np.asarray(page.asarray())
            axes = page.axes
    except (tifffile.TiffFileError, *_BROKEN, struct.error, zlib.error, RuntimeError) as problem:
        raise damaged("tiff", _reason(problem)) from problem
    if axes == "SYX":  # one plane per channel -> channels last
        samples = np.moveaxis(samples, 0, -1)
    if header.is_white_zero and samples.dtype.kind == "u":
        samples = np.asarray(header.white - samples.astype(np.int64), dtype=samples.dtype)
    return samples


def _declared_white(header: Header) -> float | None:
    """Return the white of a TIFF's whole-number samples, None where it says nothing."""
    return None if header.is_float or header.bits > 16 else header.white


# --- turns, texts, files ------------------------------------------------------------------------


def _upright(pixels: Picture, orientation: int) -> Picture:
    """Undo the camera's turn (EXIF 2.32, tag 0x0112): row 0 and column 0 as stored → as seen."""
    if orientation == 1:
        return pixels
    turned = pixels
    if orientation >= 5:  # rows and columns change places
        turned = turned.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    return np.ascontiguousarray(turned)


def _from_base64(payload: str) -> bytes:
    if "%" in payload:
        payload = unquote_to_bytes(payload).decode("latin-1")
    text = "".join(payload.split())
    if "-" in text or "_" in text:
        text = text.replace("-", "+").replace("_", "/")
    text = text.rstrip("=")
    if not text:
        raise RequestError(
            "The data URI holds nothing after its comma; encode the file's bytes as base64."
        )
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise RequestError(
            "Expected base64 after the comma of the data URI (letters, digits, '+', '/', '='), "
            f"but got {_shortened(payload)}; encode the file's bytes as base64."
        ) from problem


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")


def _encode(picture: Picture, ending: str, options: list[int]) -> bytes:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise PictureError(
            f"Expected a picture (height, width, 3) of uint8, but got {picture.shape} of "
            f"{picture.dtype}; pass it through from_array first."
        )
    _, data = cv2.imencode(ending, np.ascontiguousarray(picture[..., ::-1]), options)
    return bytes(data)
