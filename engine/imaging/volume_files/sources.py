"""Files as streams of bytes, wherever they lie, and what they are by their first bytes.

Names of files are never kept nor shown: people put patients' names into them.
"""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast, final

from engine.errors import VolumeError

__all__ = [
    "UNREADABLE",
    "FileKind",
    "Source",
    "damaged_entry",
    "describe_stranger",
    "from_bytes",
    "from_path",
    "sniff",
    "unzipped",
]

FileKind = Literal["dicom", "nifti", "nrrd", "mha", "zip", "empty", "other"]


UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)
"""What reading an entry of a damaged archive raises; the messages quote names of files."""


def damaged_entry() -> VolumeError:
    """Return the error for a file in an archive that cannot be unpacked."""
    return VolumeError("A file in the ZIP is damaged; pack and send it again.")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file: how to open it, its size in bytes, and its path when it lies on a disk."""

    open: Callable[[], BinaryIO]
    size: int
    path: Path | None = None

    def start(self, size: int = 4096) -> bytes:
        """Return the first bytes."""
        return self._read(size)

    def read(self) -> bytes:
        """Return all bytes."""
        return self._read(-1)

    def _read(self, size: int) -> bytes:
        try:
            with self.open() as stream:
                return stream.read(size)
        except UNREADABLE:
            raise damaged_entry() from None


def from_path(path: Path) -> Source:
    """Return a file on a disk."""
    return Source(open=lambda: path.open("rb"), size=path.stat().st_size, path=path)


def from_bytes(data: bytes) -> Source:
    """Return bytes in memory."""
    return Source(open=lambda: io.BytesIO(data), size=len(data))


def sniff(start: bytes) -> FileKind:
    """Tell what a file is from its first 4096 bytes.

    DICOM without the 128-byte preamble is recognised by a first element of group 0002 or 0008.
    """
    if not start:
        return "empty"
    if start[128:132] == b"DICM" or _is_bare_dicom(start):
        return "dicom"
    if _is_nifti(_unzipped(start) if start[:2] == b"\x1f\x8b" else start):
        return "nifti"
    if start[:4] == b"NRRD":
        return "nrrd"
    if b"ElementDataFile" in start or start.lstrip()[:10] in (b"ObjectType", b"NDims = 3 "):
        return "mha"
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    return "other"


def describe_stranger(start: bytes) -> str:
    """Return words for a file that holds no volume: what it is; what to do."""
    unzipped = _unzipped(start) if start[:2] == b"\x1f\x8b" else start
    for data in (start, unzipped):
        for at, mark, words in _STRANGERS:
            if data[at : at + len(mark)] == mark:
                return words
    return "no format that we know; send DICOM, NIfTI (.nii, .nii.gz), NRRD or MHA"


_STRANGERS: tuple[tuple[int, bytes, str], ...] = (
    (344, b"ni1\0", "a NIfTI pair (.hdr and .img); save it as one .nii or .nii.gz file"),
    (0, struct.pack("<i", 348), "an Analyze 7.5 header; save it as NIfTI (.nii or .nii.gz)"),
    (0, struct.pack(">i", 348), "an Analyze 7.5 header; save it as NIfTI (.nii or .nii.gz)"),
    (257, b"ustar", "a tar archive; pack the files as ZIP"),
    (0, b"\x1f\x8b", "a gzip file without NIfTI inside; pack DICOM files as ZIP"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; pack the files as ZIP"),
    (0, b"Rar!", "a RAR archive; pack the files as ZIP"),
    (0, b"BZh", "a bzip2 archive; pack the files as ZIP"),
    (0, b"\xfd7zXZ", "an xz archive; pack the files as ZIP"),
    (0, b"\x89PNG", "a PNG picture; send the CT itself, not a picture of it"),
    (0, b"\xff\xd8\xff", "a JPEG picture; send the CT itself, not a picture of it"),
    (0, b"%PDF", "a PDF document; send the CT itself"),
    (0, b"\x89HDF", "an HDF5 file; save it as NIfTI"),
    (0, b"\x93NUMPY", "a NumPy array, which has no orientation; save it as NIfTI"),
    (0, b"\0\0\x02\0", "a MINC or other old volume; save it as NIfTI"),
)


def _is_bare_dicom(start: bytes) -> bool:
    if len(start) < 16:
        return False
    group, element = struct.unpack_from("<HH", start)
    if group not in (0x0002, 0x0008) or element > 0x0100:
        return False
    (length,) = struct.unpack_from("<I", start, 4)
    return start[4:6].isalpha() and start[4:6].isupper() or length < 256  # noqa: RUF021 – reads as said


def _is_nifti(start: bytes) -> bool:
    return start[344:348] == b"n+1\0" or start[4:12] == b"n+2\0\r\n\x1a\n"


def _unzipped(start: bytes) -> bytes:
    """Return the first bytes inside a gzip file, as far as ``start`` reaches."""
    unzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        return unzip.decompress(start, 4096)
    except zlib.error:
        return b""


@contextmanager
def unzipped(source: Source) -> Iterator[BinaryIO]:
    """Open a file, through gzip when it is one."""
    with source.open() as stream:
        is_gzip = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        if not is_gzip:
            yield stream
            return
        with gzip.GzipFile(fileobj=stream) as inside:
            yield cast(BinaryIO, inside)
