"""Takes names, places, dates and devices out of PNG and JPEG files without touching a pixel.

What may stay is listed (what pixels need to be shown right); what a list forgot goes. Of the EXIF
block only the turn stays, since a picture without it would lie on its side.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from PIL import ExifTags
from PIL import Image as PillowImage

from engine.errors import PictureError
from engine.imaging.headers import read_header

__all__ = ["strip"]

_PNG_KEPT: Final = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT pHYs bKGD cICP".split()
)
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_MARK: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_EXIF: Final = b"Exif\x00\x00"
_MOST_NAMES: Final = 40
_BROKEN: Final = (*(OSError, SyntaxError, ValueError, KeyError, TypeError), struct.error)


def strip(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a PNG or JPEG without metadata, and the names of what was taken out; never a value.

    Pixels, colour profile and turn stay as they are, to the bit.

    Raises
    ------
    PictureError
        When the bytes are no such file, or are cut off.
    """
    header = read_header(data)
    if header.kind not in ("png", "jpeg"):
        raise PictureError(f"Expected a PNG or JPEG, but got {header.kind.upper()}.")
    removed: list[str] = []
    try:
        parts = _png(data, removed) if header.kind == "png" else _jpeg(data, removed)
        clean = b"".join(parts)
    except (struct.error, IndexError) as problem:
        raise PictureError("The picture is cut off; upload it again.") from problem
    return clean, tuple(dict.fromkeys(removed))[:_MOST_NAMES]


def _png(data: bytes, removed: list[str]) -> Iterator[bytes]:
    yield _PNG_START
    at = len(_PNG_START)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind in _PNG_KEPT:
            yield data[at : at + 12 + length]
        elif kind == b"eXIf":
            yield from _turn_as_png(_exif(body, removed))
        else:
            word = kind.decode("ascii", "replace")
            is_text = kind in (b"tEXt", b"zTXt", b"iTXt")
            key = body.split(b"\0", 1)[0][:40].decode("latin-1") if is_text else ""
            removed.append(f"PNG {word} {key}".strip())
        at += 12 + length
        if kind == b"IEND":
            break
    if at < len(data):
        removed.append("Bytes after the end of the picture")


def _turn_as_png(turn: int) -> Iterator[bytes]:
    if turn != 1:
        body = _bare_exif(turn)
        check = zlib.crc32(b"eXIf" + body)
        yield struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", check)


def _jpeg(data: bytes, removed: list[str]) -> Iterator[bytes]:
    yield data[:2]
    at, has_turn = 2, False
    while at < len(data):
        found = _MARK.search(data, at)
        if found is None:
            yield data[at:]  # no end mark: whoever decodes it says so
            return
        yield data[at : found.start()]  # packed pixels since the last mark
        mark, at = data[found.start() + 1], found.start()
        if mark == 0xD9:
            yield data[at : at + 2]
            at += 2
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if _is_kept(mark, body):
            yield data[at : at + 2 + length]
        elif mark == 0xE1 and body.startswith(_EXIF):
            turn = _exif(body[len(_EXIF) :], removed)
            if turn != 1 and not has_turn:
                has_turn = True
                block = _EXIF + _bare_exif(turn)
                yield b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
        else:
            removed.append(_words(mark, body))
        at += 2 + length
    if at < len(data) and data[at:].strip(b"\0"):
        removed.append("Bytes after the end of the picture")


def _is_kept(mark: int, body: bytes) -> bool:
    if mark == 0xE0:
        return body.startswith(b"JFIF\0")
    if mark == 0xE2:
        return body.startswith(b"ICC_PROFILE\0")
    if mark == 0xEE:
        return body.startswith(b"Adobe")
    return not (0xE0 <= mark <= 0xEF or mark == 0xFE)


def _words(mark: int, body: bytes) -> str:
    if mark == 0xFE:
        return "JPEG comment"
    if body.startswith(b"http://ns.adobe.com/xap/"):
        return "XMP block"
    if body.startswith(b"Photoshop"):
        return "IPTC block"
    return f"JPEG block APP{mark - 0xE0}"


def _exif(block: bytes, removed: list[str]) -> int:
    """Return the turn that an EXIF block tells; add the names of its other fields."""
    exif = PillowImage.Exif()
    try:
        exif.load(_EXIF + block)
        fields = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
        places = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except _BROKEN:
        removed.append("EXIF block")
        return 1
    turn = fields.pop(ExifTags.Base.Orientation, 1)
    pointers = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop)
    for pointer in pointers:
        fields.pop(pointer, None)
    removed += [f"EXIF {ExifTags.TAGS.get(tag, f'field {tag}')}" for tag in sorted(fields)]
    removed += [f"EXIF {ExifTags.GPSTAGS.get(tag, f'GPS field {tag}')}" for tag in sorted(places)]
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _bare_exif(turn: int) -> bytes:
    """Return a TIFF header with nothing but the turn (EXIF 2.32, tag 0x0112)."""
    return b"MM\x00\x2a" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, turn, 0, 0)
