"""Archives and folders, and what must not be in them.

A ZIP is never unpacked to a disk: entries are read one by one, so that no name in it can point
anywhere. Names that try to are refused all the same, since nobody packs a CT that way.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, final

from engine.errors import TooLargeError, VolumeError
from engine.imaging.volume_files.results import VolumeLimits
from engine.imaging.volume_files.sources import (
    UNREADABLE,
    Source,
    damaged_entry,
    from_bytes,
    from_path,
    sniff,
)

__all__ = ["Files", "files_of"]

_TAIL_BYTES = 65_536 + 22 + 20 + 56  # comment and the three end records
_DIRECTORY_BYTES = 1024  # for each entry: 46 and its name
_CLUTTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files to look at. ``has_siblings``: only the first was named, the others lie beside."""

    sources: tuple[Source, ...]
    has_siblings: bool = False


@contextmanager
def files_of(
    what: str | Path | bytes | Sequence[str | Path], limits: VolumeLimits
) -> Iterator[Files]:
    """Yield the files in ``what``: a path, a folder, a ZIP, bytes, or a list of paths.

    Of a single DICOM file on a disk, the DICOM files beside it are yielded, too, itself first.

    Raises
    ------
    VolumeError
        When there is nothing, or an archive is damaged, encrypted or unsafe.
    TooLargeError
        When a limit is passed.
    """
    with ExitStack() as stack:
        if isinstance(what, (bytes, bytearray, memoryview)):
            found = Files(sources=_of_one(from_bytes(bytes(what)), limits, stack))
        elif isinstance(what, (str, Path)):
            found = _of_path(Path(what), limits, stack)
        else:
            found = _of_list([Path(path) for path in what], limits, stack)
        if not found.sources:
            raise VolumeError(
                "Expected a CT, but there are no files; send DICOM files (as ZIP), NIfTI, NRRD "
                "or MHA."
            )
        yield found


def _of_path(path: Path, limits: VolumeLimits, stack: ExitStack) -> Files:
    if path.is_dir():
        return Files(sources=tuple(_of_folder(path, limits)))
    if not path.is_file():
        raise VolumeError(
            "Expected a file or a folder, but there is none at that path; check the path."
        )
    source = from_path(path)
    if sniff(source.start()) == "dicom":
        _check_bytes(source.size, limits)
        return Files(sources=(source, *_beside(path, limits)), has_siblings=True)
    return Files(sources=_of_one(source, limits, stack))


def _of_one(source: Source, limits: VolumeLimits, stack: ExitStack) -> tuple[Source, ...]:
    _check_bytes(source.size, limits)
    if sniff(source.start()) != "zip":
        return (source,)
    return tuple(_of_zip(source, limits, stack))


def _of_list(paths: list[Path], limits: VolumeLimits, stack: ExitStack) -> Files:
    if len(paths) == 1:
        return _of_path(paths[0], limits, stack)
    _check_count(len(paths), limits)
    missing = sum(not path.is_file() for path in paths)
    if missing:
        raise VolumeError(
            f"Expected {len(paths)} files, but {missing} of them do not exist; send them again."
        )
    sources = [from_path(path) for path in paths]
    _check_bytes(sum(source.size for source in sources), limits)
    if any(sniff(source.start()) == "zip" for source in sources):
        raise VolumeError(
            f"Expected one ZIP or several files, but got a ZIP among {len(paths)} files; send the "
            "ZIP alone."
        )
    return Files(sources=tuple(sources))


def _of_folder(folder: Path, limits: VolumeLimits) -> list[Source]:
    """Return all files below a folder in the order of their names; links are not followed."""
    sources: list[Source] = []
    total = 0
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if name not in _CLUTTER)
        for name in sorted(names):
            path = Path(place) / name
            if name in _CLUTTER or path.is_symlink() or not path.is_file():
                continue
            sources.append(from_path(path))
            total += sources[-1].size
            _check_count(len(sources), limits)
            _check_bytes(total, limits)
    return sources


def _beside(path: Path, limits: VolumeLimits) -> Iterator[Source]:
    """Yield the other DICOM files in the folder of ``path``."""
    candidates = sorted(path.parent.iterdir())
    seen = 0
    for other in candidates:
        if other == path or other.is_symlink() or not other.is_file():
            continue
        seen += 1
        _check_count(seen, limits)
        source = from_path(other)
        if sniff(source.start()) == "dicom":
            yield source


# --- ZIP -----------------------------------------------------------------------------------------


def _of_zip(source: Source, limits: VolumeLimits, stack: ExitStack) -> list[Source]:
    stream = stack.enter_context(source.open())
    if _directory_bytes(stream, source.size) > _DIRECTORY_BYTES * max(100, limits.max_files):
        _check_count(limits.max_files + 1, limits)
    try:
        archive = stack.enter_context(zipfile.ZipFile(stream))
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError, OSError) as problem:
        raise VolumeError(
            "The ZIP is damaged or was cut off while it was sent; pack and send it again."
        ) from problem
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    _check_count(len(entries), limits)
    for entry in entries:
        _check_entry(entry)
    entries = [entry for entry in entries if not _is_clutter(entry.filename)]
    _check_unpacked(entries, source.size, limits)
    return [_entry_source(archive, entry) for entry in entries]


def _directory_bytes(stream: BinaryIO, size: int) -> int:
    """Return how long the list of entries says it is, so that no endless one is loaded.

    From the end records, PKWARE APPNOTE 4.3.14 and 4.3.16; the stream is rewound.
    """
    stream.seek(max(0, size - _TAIL_BYTES))
    tail = stream.read(_TAIL_BYTES)
    stream.seek(0)
    found = 0
    for mark, at, width in ((b"PK\x05\x06", 12, 4), (b"PK\x06\x06", 40, 8)):
        start = tail.rfind(mark)
        length = int.from_bytes(tail[start + at : start + at + width], "little")
        if start >= 0 and length != 0xFFFFFFFF:
            found = max(found, length)
    return found


def _entry_source(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Source:
    # zipfile stops at the size that the entry declares, so that no entry can outgrow the limits.
    def opened() -> BinaryIO:
        try:
            return archive.open(entry)  # type: ignore[return-value]  # IO[bytes] is one
        except (*UNREADABLE, ValueError, NotImplementedError):
            raise damaged_entry() from None

    return Source(open=opened, size=entry.file_size)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Refuse an entry that is not a plain file at a plain place."""
    # Older Windows programs write backslashes.
    name = entry.orig_filename.replace("\\", "/")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in name:
        raise VolumeError(
            "The ZIP holds a name that points outside of it (a '..', a leading '/', or a drive); "
            "pack the folder of the CT again with the system's own program."
        )
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise VolumeError(
            "The ZIP holds a link or a special file; pack the files themselves, not links to them."
        )
    if entry.flag_bits & 0x1:
        raise VolumeError(
            "The ZIP is encrypted; pack it without a password. Names and dates are taken out of "
            "DICOM headers while reading."
        )
    if entry.compress_type not in _METHODS:
        raise VolumeError(
            f"The ZIP uses compression method {entry.compress_type}, which we cannot unpack; pack "
            "it again with the usual method ('Deflate')."
        )


_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def _check_unpacked(
    entries: list[zipfile.ZipInfo], packed_bytes: int, limits: VolumeLimits
) -> None:
    total = sum(entry.file_size for entry in entries)
    if total > limits.max_unpacked_bytes:
        raise TooLargeError(
            f"The ZIP unpacks to {total / 1e6:,.0f} MB, but at most "
            f"{limits.max_unpacked_bytes / 1e6:,.0f} MB are accepted; send one series only."
        )
    ratio = total / max(1, packed_bytes)
    if total > limits.ratio_from_bytes and ratio > limits.max_ratio:
        raise TooLargeError(
            f"The ZIP unpacks to {ratio:,.0f} times its size, but CTs do not shrink to less than "
            f"1/{limits.max_ratio:.0f}; it looks like a bomb. Send the CT as NIfTI or DICOM."
        )


def _is_clutter(name: str) -> bool:
    return any(part in _CLUTTER for part in name.replace("\\", "/").split("/"))


# --- limits --------------------------------------------------------------------------------------


def _check_count(count: int, limits: VolumeLimits) -> None:
    if count > limits.max_files:
        raise TooLargeError(
            f"There are more than {limits.max_files:,} files; send one study or one series only."
        )


def _check_bytes(size: int, limits: VolumeLimits) -> None:
    if size > limits.max_bytes:
        raise TooLargeError(
            f"The files have {size / 1e6:,.0f} MB, but at most {limits.max_bytes / 1e6:,.0f} MB "
            "are accepted; send one series only, or compress it (.nii.gz, ZIP)."
        )
