"""An upload as a list of names that can be read: a ZIP, a folder, or a single file.

A ZIP is never unpacked to a disk as a whole: entries are read one by one, so that no name in it
can point anywhere. Names that try to are refused all the same.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, final

from engine.datasets.entries import FileOutcome, PictureFile
from engine.errors import DatasetError, NotFoundError, TooLargeError

__all__ = ["Limits", "Opened", "open_upload"]

_CLUTTER: Final = frozenset(("__macosx", ".ds_store", "thumbs.db", "desktop.ini", ".git"))
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_ARCHIVES: Final = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar")
_UNREADABLE: Final = (
    *(zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError, RuntimeError),
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much an upload may hold; MB are 10⁶ bytes.

    ``max_file_bytes``: one file, unpacked. ``max_ratio``: unpacked to packed size of a ZIP of more
    than ``ratio_from_bytes``: empty masks shrink to a thousandth, but not whole datasets.
    """

    max_unpacked_bytes: int = 50_000_000_000
    max_file_bytes: int = 4_000_000_000
    max_files: int = 200_000
    max_ratio: float = 200.0
    ratio_from_bytes: int = 200_000_000


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """The files of an upload: ``names`` are sorted paths with ``/``.

    ``outcomes`` tell what was passed over, and why.
    """

    title: str
    names: tuple[str, ...]
    sizes: Mapping[str, int]
    outcomes: tuple[FileOutcome, ...] = ()
    archive: zipfile.ZipFile | None = None
    folder: Path | None = None
    single: Path | None = None
    entry_names: Mapping[str, str] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        """Return all bytes of a file.

        Raises
        ------
        NotFoundError
            When the upload has no such file.
        DatasetError
            When it is damaged.
        """
        if name not in self.sizes:
            raise NotFoundError(f"The upload has no file {name[:200]}.")
        try:
            if self.archive is not None:
                # zipfile stops at the size that the entry states: no entry outgrows the limits.
                return self.archive.read(self.entry_names[name])
            return self._path(name).read_bytes()
        except _UNREADABLE as problem:
            raise DatasetError("The file is damaged in the archive; pack it again.") from problem

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Give a path to a file's bytes, for what reads in parts, until the context ends."""
        if self.archive is None:
            yield self._path(name)
            return
        with tempfile.TemporaryDirectory(prefix="lightbox-") as place:
            path = Path(place) / f"file{Path(name).suffix[:12]}"
            try:
                with self.archive.open(self.entry_names[name]) as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
            except _UNREADABLE as problem:
                raise DatasetError(
                    "The file is damaged in the archive; pack it again."
                ) from problem
            yield path

    def picture(self, name: str) -> PictureFile:
        """Return a picture's file."""
        return PictureFile(name=name, read=self.reader(name), size_bytes=self.sizes[name])

    def reader(self, name: str) -> partial[bytes]:
        """Return what reads a file."""
        return partial(self.read, name)

    def _path(self, name: str) -> Path:
        return self.single or (self.folder or Path()) / name


@contextmanager
def open_upload(path: Path, *, title: str = "", limits: Limits | None = None) -> Iterator[Opened]:
    """Open a ZIP, a folder or a single file; ``title`` is what its sender calls it.

    Raises
    ------
    NotFoundError
        When there is nothing at ``path``.
    DatasetError
        When an archive is damaged, encrypted or unsafe, or there are no files.
    TooLargeError
        When a limit is passed.
    """
    limits = limits or Limits()
    title = title or path.name
    with ExitStack() as stack:
        if path.is_dir():
            opened = _of_folder(path, title, limits)
        elif not path.is_file():
            raise NotFoundError("There is no file or folder at that path; check the path.")
        elif _is_zip(path):
            opened = _of_zip(path, title, limits, stack)
        else:
            opened = _of_one(path, title, limits)
        if not opened.names:
            raise DatasetError(
                "Expected pictures, but there are no files in the upload; pack the folder with "
                "the pictures and send it again."
            )
        yield opened


def _is_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _of_one(path: Path, title: str, limits: Limits) -> Opened:
    name = Path(title.replace("\\", "/")).name or path.name
    if name.lower().endswith(_ARCHIVES[1:]):
        raise DatasetError(f"Expected a ZIP, but {name[:100]} is another archive; pack it as ZIP.")
    size = path.stat().st_size
    _check(1, size, size, limits)
    return Opened(
        title=title,
        names=(name,),
        sizes={name: size},
        single=path,
    )


def _of_folder(folder: Path, title: str, limits: Limits) -> Opened:
    sizes: dict[str, int] = {}
    outcomes: list[FileOutcome] = []
    total = 0
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if name.lower() not in _CLUTTER)
        for file in names:
            path = Path(place) / file
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() or not path.is_file():
                outcomes.append(_left(name, "A link or a special file; links are not followed."))
            elif (reason := _why_not(name)) is not None:
                outcomes += [_left(name, reason)] if reason else []
            else:
                sizes[name] = path.stat().st_size
                total += sizes[name]
                _check(len(sizes), total, sizes[name], limits)
    names = sorted(sizes)
    return Opened(
        title=title,
        names=tuple(names),
        sizes=sizes,
        outcomes=tuple(outcomes),
        folder=folder,
    )


def _of_zip(path: Path, title: str, limits: Limits, stack: ExitStack) -> Opened:
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (*_UNREADABLE, OverflowError) as problem:
        raise DatasetError(
            "The ZIP is damaged or was cut off while it was sent; pack and send it again."
        ) from problem
    sizes: dict[str, int] = {}
    own: dict[str, str] = {}
    outcomes: list[FileOutcome] = []
    total = 0
    for entry in archive.infolist():
        name = _checked_name(entry)
        if entry.is_dir() or name.endswith("/"):
            continue
        total += entry.file_size
        _check(len(sizes) + 1, total, entry.file_size, limits)
        if name in sizes:
            outcomes.append(_left(name, "The ZIP holds this name twice; the first one counts."))
        elif (reason := _why_not(name)) is not None:
            outcomes += [_left(name, reason)] if reason else []
        else:
            sizes[name], own[name] = entry.file_size, entry.filename
    _check_ratio(total, path.stat().st_size, limits)
    return Opened(
        title=title,
        names=tuple(sorted(sizes)),
        sizes=sizes,
        outcomes=tuple(outcomes),
        archive=archive,
        entry_names=own,
    )


def _checked_name(entry: zipfile.ZipInfo) -> str:
    """Return an entry's path; refuse the archive when it is not a plain file at a plain place."""
    name = entry.orig_filename.replace("\\", "/")  # older Windows programs write backslashes
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in name or not name:
        raise DatasetError(
            "The ZIP holds a name that points outside of it (a '..', a leading '/', or a drive); "
            "pack the folder again with the system's own program."
        )
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DatasetError(
            "The ZIP holds a link or a special file; pack the files themselves, not links to them."
        )
    if entry.flag_bits & 0x1:
        raise DatasetError("The ZIP is encrypted; pack it without a password.")
    if entry.compress_type not in _METHODS:
        raise DatasetError(
            f"The ZIP uses compression method {entry.compress_type}, which we cannot unpack; pack "
            "it again with the usual method ('Deflate')."
        )
    return name


def _why_not(name: str) -> str | None:
    """Return why a file is passed over, without a word ('') for clutter; None: it is taken."""
    parts = name.lower().split("/")
    if any(part in _CLUTTER for part in parts) or parts[-1].startswith("._"):
        return ""
    if parts[-1].endswith(_ARCHIVES):
        return "An archive inside the upload is not opened; send it by itself."
    return None


def _left(name: str, reason: str) -> FileOutcome:
    return FileOutcome(name=name, outcome="left_out", sentences=(reason,))


def _check(count: int, total: int, size: int, limits: Limits) -> None:
    if count > limits.max_files:
        raise TooLargeError(
            f"The upload has more than {limits.max_files:,} files; send it in parts."
        )
    if total > limits.max_unpacked_bytes:
        raise TooLargeError(
            f"The upload unpacks to more than {limits.max_unpacked_bytes / 1e6:,.0f} MB; send it "
            "in parts."
        )
    if size > limits.max_file_bytes:
        raise TooLargeError(
            f"A file of the upload has {size / 1e6:,.0f} MB, but at most "
            f"{limits.max_file_bytes / 1e6:,.0f} MB are accepted."
        )


def _check_ratio(total: int, packed: int, limits: Limits) -> None:
    ratio = total / max(1, packed)
    if total > limits.ratio_from_bytes and ratio > limits.max_ratio:
        raise TooLargeError(
            f"The ZIP unpacks to {ratio:,.0f} times its size, but pictures do not shrink to less "
            f"than 1/{limits.max_ratio:.0f}; it looks like a bomb. Send the folder unpacked."
        )
