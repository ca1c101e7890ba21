"""The size that a compressed picture states about itself, read before anything is decoded.

A few bytes of JPEG can state 60,000 × 60,000 pixels; decoders believe them. Knows the markers of
JPEG and JPEG-LS (ITU-T T.81 B.2.2, T.87 C.2.2) and of JPEG 2000 (T.800 A.5.1); decodes nothing.
"""

from __future__ import annotations

import struct

__all__ = ["stated_size"]

_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # tables, reserved, arithmetic conditioning
_JPEG_LS_FRAME = 0xF7
_BARE_MARKERS = (0x01, *range(0xD0, 0xD9))


def stated_size(stream: bytes) -> tuple[int, int] | None:
    """Return (rows, columns) that a compressed frame states, None where it states none.

    >>> stated_size(bytes.fromhex("ffd8 ffc3 000b 10 0014 0018 01 01 11 00"))
    (20, 24)
    """
    try:
        if stream[:2] == b"\xff\xd8":
            return _jpeg(stream)
        start = stream.find(b"\xff\x4f\xff\x51", 0, 1024)  # maybe inside boxes (.jp2)
        if start >= 0:
            right, bottom, left, top = struct.unpack_from(">IIII", stream, start + 8)
            return bottom - top, right - left
    except (struct.error, IndexError):
        return None
    return None


def _jpeg(stream: bytes) -> tuple[int, int] | None:
    at = 2
    while stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:  # fill bytes
            at += 1
        elif marker in _BARE_MARKERS:
            at += 2
        elif (0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES) or marker == _JPEG_LS_FRAME:
            rows, columns = struct.unpack_from(">HH", stream, at + 5)
            return rows, columns
        else:
            at += 2 + int(struct.unpack_from(">H", stream, at + 2)[0])
    return None
