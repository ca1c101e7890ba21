"""What a picture file says about itself before a single pixel is decoded.

Knows the first bytes, sizes and turns of the six formats that we read. Opens no library, so that
limits can be checked before anything is allocated; knows nothing about pixels.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, final

from engine.errors import PictureError

__all__ = ["READABLE", "Header", "Kind", "read_header"]

Kind = Literal["png", "jpeg", "webp", "tiff", "bmp", "gif"]
"""The formats that we read, named by their content and never by a file's ending."""

READABLE = "PNG, JPEG, WebP, TIFF, BMP or GIF"
"""The list of formats as it appears in messages."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Size and layout of a picture as its file declares them.

    ``width`` and ``height`` are those stored, before the turn; ``orientation`` is the EXIF value
    1..8 (1: upright). ``bits`` per sample; ``channels`` samples per pixel, alpha included, palette
    indices count as one.
    ``is_complete`` is False when a JPEG does not end as one, so that only a full decode can tell.
    """

    kind: Kind
    width: int
    height: int
    orientation: int = 1
    bits: int = 8
    channels: int = 3
    is_float: bool = False
    is_white_zero: bool = False
    has_profile: bool = False
    has_palette: bool = False
    has_transparent_colour: bool = False
    is_complete: bool = True

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def white(self) -> int:
        """Whole-number sample that means full light: all bits set."""
        return int(2**self.bits - 1)


def read_header(data: bytes) -> Header:
    """Read size, turn and sample layout of the picture in ``data``.

    Raises
    ------
    PictureError
        When the bytes are empty, cut off, damaged, or no format that we read; the sentence names
        what they look like.
    """
    if not data:
        raise PictureError(
            f"Expected a picture ({READABLE}), but the upload is empty "
            "(0 bytes); send the file again."
        )
    for starts, reader in _READERS:
        if data.startswith(starts) and (reader is not _webp or data[8:12] == b"WEBP"):
            try:
                header = reader(data)
            except (struct.error, IndexError) as problem:
                raise cut_off(reader.__name__.strip("_"), len(data)) from problem
            if header.width < 1 or header.height < 1:
                raise PictureError(
                    f"The {header.kind.upper()} says that it is {header.width}×{header.height} "
                    "pixels, but a picture needs at least 1×1; export it again."
                )
            return header
    raise PictureError(
        f"Expected a picture ({READABLE}), but these {len(data):,} bytes look like "
        f"{_describe_stranger(data)}."
    )


def cut_off(kind: str, size: int) -> PictureError:
    """Return the error for a file that ends too early."""
    return PictureError(
        f"The {kind.upper()} picture is incomplete: it ends after {size:,} bytes, in the middle of "
        "its data. Upload it again, or export it again."
    )


def damaged(kind: str, detail: str) -> PictureError:
    """Return the error for a file whose content contradicts itself."""
    return PictureError(
        f"The {kind.upper()} picture is damaged ({detail}) and cannot be read in full; open it in "
        "a picture viewer and export it again as PNG or JPEG."
    )


# --- one reader per format -------------------------------------------------------------------


def _png(data: bytes) -> Header:
    """Read a PNG (W3C PNG, third edition, §5) and check that every chunk is whole."""
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    orientation, has_profile, has_transparent_colour, has_end = 1, False, False, False
    for name, start, length in _png_chunks(data):
        if name == b"eXIf":
            orientation = _exif_orientation(data[start : start + length])
        has_profile |= name == b"iCCP"
        has_transparent_colour |= name == b"tRNS"
        has_end |= name == b"IEND"
    if not has_end:
        raise cut_off("png", len(data))
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour)
    if channels is None:
        raise damaged("png", f"colour type {colour} does not exist")
    return Header(
        kind="png",
        width=width,
        height=height,
        orientation=orientation,
        bits=bits,
        channels=channels,
        has_profile=has_profile,
        has_palette=colour == 3,
        has_transparent_colour=has_transparent_colour,
    )


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 8
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        start, end = at + 8, at + 8 + length
        if end + 4 > len(data):
            raise cut_off("png", len(data))
        (stated,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(data[at + 4 : end]) != stated:
            raise damaged("png", f"the checksum of its {name.decode('latin-1')} part is wrong")
        yield name, start, length
        if name == b"IEND":  # whatever follows is not part of the picture
            return
        at = end + 4


def _jpeg(data: bytes) -> Header:
    """Walk the markers of a JPEG up to its first scan (ITU-T T.81, annex B)."""
    at, orientation, has_profile = 2, 1, False
    frame: tuple[int, int, int, int] | None = None
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if data[at] != 0xFF:
            raise damaged("jpeg", f"no marker at byte {at:,}")
        marker = data[at + 1]
        if marker == 0xDA or marker == 0xD9:
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = at + 4
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, height, width, channels = struct.unpack_from(">BHHB", data, body)
            frame = (bits, height, width, channels)
        elif marker == 0xE1 and data[body : body + 6] == b"Exif\0\0":
            orientation = _exif_orientation(data[body + 6 : at + 2 + length])
        elif marker == 0xE2 and data[body : body + 12] == b"ICC_PROFILE\0":
            has_profile = True
        at += 2 + length
    if frame is None:
        raise damaged("jpeg", "it holds no frame")
    bits, height, width, channels = frame
    return Header(
        kind="jpeg",
        width=width,
        height=height,
        orientation=orientation,
        bits=bits,
        channels=channels,
        has_profile=has_profile,
        is_complete=data.rstrip(b"\0").endswith(b"\xff\xd9"),
    )


def _webp(data: bytes) -> Header:
    """Read a WebP container (RFC 9649): canvas, or the size of its only frame."""
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise cut_off("webp", len(data))
    width = height = 0
    orientation, has_profile = 1, False
    at = 12
    while at + 8 <= size + 8:
        name, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + min(length, 1 << 20)]
        if name == b"VP8X":
            width = 1 + int.from_bytes(body[4:7], "little")
            height = 1 + int.from_bytes(body[7:10], "little")
        elif name == b"VP8 " and not width:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
        elif name == b"VP8L" and not width:
            (packed,) = struct.unpack_from("<I", body, 1)
            width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        elif name == b"EXIF":
            orientation = _exif_orientation(body.removeprefix(b"Exif\0\0"))
        has_profile |= name == b"ICCP"
        at += 8 + length + (length & 1)
    return Header(
        kind="webp",
        width=width,
        height=height,
        orientation=orientation,
        has_profile=has_profile,
    )


def _bmp(data: bytes) -> Header:
    (kind,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if kind == 12 else "<ii", data, 18)
    # A negative height says that the rows are stored from the top.
    return Header(kind="bmp", width=width, height=abs(height))


def _gif(data: bytes) -> Header:
    width, height = struct.unpack_from("<HH", data, 6)
    return Header(kind="gif", width=width, height=height, channels=1)


def _tiff(data: bytes) -> Header:
    """Read the first page of a TIFF (TIFF 6.0, §2 and §8) or BigTIFF, and check its extent."""
    tags = _first_directory(data)
    if 256 not in tags or 257 not in tags:
        raise damaged("tiff", "its first page states no size")
    for offsets, counts in ((273, 279), (324, 325)):  # strips, tiles
        ends = map(sum, zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False))
        if max(ends, default=0) > len(data):
            raise cut_off("tiff", len(data))
    bits = max(tags.get(258, (1,)))
    return Header(
        kind="tiff",
        width=tags[256][0],
        height=tags[257][0],
        orientation=_valid_orientation(tags),
        bits=bits,
        channels=tags.get(277, (1,))[0],
        is_float=3 in tags.get(339, ()),
        is_white_zero=tags.get(262, (1,))[0] == 0,
        has_profile=34675 in tags,
    )


# --- TIFF directories, which EXIF is made of too ----------------------------------------------


def _first_directory(data: bytes) -> dict[int, tuple[int, ...]]:
    """Return the whole-number tags of the first directory: tag → values."""
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", data, 2)[0] == 43
    (at,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
    (entries,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, at)
    at += 8 if is_big else 2
    room, entry = (8, order + "HHQ") if is_big else (4, order + "HHI")
    tags: dict[int, tuple[int, ...]] = {}
    for _ in range(min(entries, 4096)):
        tag, kind, count = struct.unpack_from(entry, data, at)
        letter = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        start = at + struct.calcsize(entry)
        at = start + room
        if letter is None:
            tags.setdefault(tag, ())
            continue
        size = struct.calcsize(order + letter) * count
        if size > room:
            (start,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, start)
        if start + size > len(data):
            raise struct.error(f"tag {tag} lies outside the file")
        tags[tag] = struct.unpack_from(f"{order}{count}{letter}", data, start)
    return tags


def _valid_orientation(tags: dict[int, tuple[int, ...]]) -> int:
    value = (tags.get(274) or (1,))[0]
    return value if 1 <= value <= 8 else 1


def _exif_orientation(block: bytes) -> int:
    """Return the turn in an EXIF block; a damaged block costs the turn, not the picture."""
    if block[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    try:
        return _valid_orientation(_first_directory(block))
    except struct.error:
        return 1


# --- what it is when it is no picture of ours -------------------------------------------------

_STRANGERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", "a ZIP archive (or an Office file); unpack it and send the picture inside"),
    (0, b"PK\x05\x06", "an empty ZIP archive; send the picture itself"),
    (0, b"%PDF", "a PDF document; export its page as PNG or JPEG"),
    (0, b"%!PS", "a PostScript document; export its page as PNG or JPEG"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it and send the picture inside"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it and send the picture inside"),
    (0, b"Rar!", "a RAR archive; unpack it and send the picture inside"),
    (0, b"8BPS", "a Photoshop file; export it as PNG or JPEG"),
    (0, b"\x00\x00\x01\x00", "an icon file; send the picture as PNG or JPEG"),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture; export it as PNG or JPEG"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture; export it as PNG or JPEG"),
    (0, b"\xff\x0a", "a JPEG XL picture; export it as PNG or JPEG"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture; export it as PNG or JPEG"),
    (4, b"ftypavif", "an AVIF picture; export it as JPEG or PNG"),
    (4, b"ftypqt", "a video; take a still from it and send that as PNG or JPEG"),
    (4, b"ftypheic", "a HEIC photo of a phone; share it as JPEG ('Most Compatible')"),
    (4, b"ftypheix", "a HEIC photo of a phone; share it as JPEG ('Most Compatible')"),
    (4, b"ftypmif1", "a HEIF photo of a phone; share it as JPEG ('Most Compatible')"),
    (4, b"ftypmsf1", "a HEIF photo of a phone; share it as JPEG ('Most Compatible')"),
    (4, b"ftyp", "a video; take a still from it and send that as PNG or JPEG"),
    (0, b"\x1aE\xdf\xa3", "a video; take a still from it and send that as PNG or JPEG"),
    (0, b"RIFF", "a sound or video file; send a picture"),
    (128, b"DICM", "a DICOM file; export its picture as PNG, or use the page for CTs"),
    (344, b"n+1\0", "a NIfTI volume; use the page for CTs"),
    (0, b"\x93NUMPY", "a NumPy array; save it as PNG or TIFF"),
    (0, b"\x7fELF", "a program; send a picture"),
    (0, b"MZ", "a program; send a picture"),
)


def _describe_stranger(data: bytes) -> str:
    for at, mark, words in _STRANGERS:
        if data[at : at + len(mark)] == mark:
            return words
    start = data[:2048].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(b"<svg") or (start.startswith(b"<") and b"<svg" in start):
        return "an SVG drawing; export it as PNG, because drawings hold no pixels"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page; save the picture itself, not the page that shows it"
    if start.startswith(b"<"):
        return "XML text; send the picture itself"
    if start.startswith(b"data:"):
        return "the text of a data URI; decode its base64 part first"
    if _is_text(data[:2048]):
        return "plain text; send the picture itself"
    return "no format that we know; open the file in a picture viewer and export it as PNG or JPEG"


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as problem:
        if problem.start < len(start) - 4:  # a character cut in two at the end is fine
            return False
        text = start[: problem.start].decode("utf-8")
    return all(letter.isprintable() or letter in "\r\n\t\f" for letter in text)


_READERS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], Header]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"RIFF", _webp),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
    (b"BM", _bmp),
    ((b"GIF87a", b"GIF89a"), _gif),
)
