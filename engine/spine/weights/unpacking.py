"""From an archive to a model's folder: checked first, unpacked beside, put in place at once.

Names in the archive cannot point outside of the folder that it is unpacked into, links and bombs
are refused, and each file is hashed as it is written.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import final

from engine.errors import ModelError
from engine.spine.weights.catalogue import WeightsModel
from engine.spine.weights.transfer import Stopped

__all__ = ["Written", "checked_entries", "put_in_place", "unpack"]

_CLUTTER = ("__MACOSX", ".DS_Store")
_MOST_FILES = 2_000
_MOST_BYTES = 20_000_000_000
_MOST_TIMES = 100.0
"""Unpacked to packed size above which an archive is a bomb: weights hardly shrink."""
_RATIO_FROM_BYTES = 100_000_000
_CHUNK_BYTES = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file of the model, relative to its folder."""

    name: str
    bytes: int
    sha256: str


def checked_entries(archive: Path, model: WeightsModel) -> tuple[zipfile.ZipInfo, ...]:
    """Return the files in an archive when all of it is safe and belongs to the model.

    Raises
    ------
    ModelError
        When it is no whole ZIP, is not safe to unpack, or holds another model.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
    except (*_BROKEN, OSError) as problem:
        raise ModelError(
            f"Expected a whole ZIP of {model.folder}, but what came is cut off or damaged "
            f"({problem}); download it again."
        ) from problem
    files = [entry for entry in entries if not entry.is_dir() and not _is_clutter(entry)]
    _check_size(files, archive.stat().st_size, model)
    for entry in files:
        _check_entry(entry, model)
    inner = f"{model.folder}/{model.inner_folder}/plans.json"
    if inner not in [entry.filename for entry in files]:
        first = files[0].filename if files else "nothing"
        raise ModelError(
            f"Expected {inner} in the ZIP, but it holds {first[:100]!r} and others; it is another "
            "model or another version."
        )
    return tuple(files)


def unpack(
    archive: Path, entries: tuple[zipfile.ZipInfo, ...], folder: Path, stop: Event
) -> Iterator[int | Written]:
    """Write the files of an archive below ``folder``: yields bytes so far and finished files.

    The CRC of each file is checked.

    Raises
    ------
    ModelError
        When a file is damaged.
    Stopped
        When ``stop`` was set.
    """
    done = 0
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in entries:
                target = folder / entry.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                digest = hashlib.sha256()
                with opened.open(entry) as source, target.open("xb") as stream:
                    while chunk := source.read(_CHUNK_BYTES):
                        if stop.is_set():
                            raise Stopped
                        digest.update(chunk)
                        stream.write(chunk)
                        done += len(chunk)
                        yield done
                    stream.flush()
                    os.fsync(stream.fileno())
                name = entry.filename.partition("/")[2]
                yield Written(name=name, bytes=entry.file_size, sha256=digest.hexdigest())
    except _BROKEN as problem:
        raise ModelError(
            f"Expected a whole ZIP, but a file in it is damaged ({problem}); download it again."
        ) from problem


def put_in_place(fresh: Path, target: Path, aside: Path) -> None:
    """Give a complete folder its name; what had that name goes ``aside`` and is removed.

    Whoever looks sees the old folder, none, or the whole new one; never half of one.
    """
    if target.is_symlink():
        target.unlink()
    elif target.exists():
        target.replace(aside)
    fresh.replace(target)
    shutil.rmtree(aside, ignore_errors=True)


def _check_size(files: list[zipfile.ZipInfo], packed_bytes: int, model: WeightsModel) -> None:
    total = sum(entry.file_size for entry in files)
    is_bomb = total > _RATIO_FROM_BYTES and total > _MOST_TIMES * packed_bytes
    if len(files) > _MOST_FILES or total > _MOST_BYTES or is_bomb:
        raise ModelError(
            f"Expected some files of {model.folder}, but the ZIP holds {len(files):,} files of "
            f"{total / 1e6:,.0f} MB in {packed_bytes / 1e6:,.0f} MB; it looks like a bomb. Check "
            "LIGHTBOX_WEIGHTS_URL."
        )


def _check_entry(entry: zipfile.ZipInfo, model: WeightsModel) -> None:
    name = entry.orig_filename
    parts = name.split("/")
    is_kind = stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
    is_plain = not ("\\" in name or "\0" in name or ":" in name or {"", ".", ".."} & set(parts))
    if not is_plain or not is_kind or parts[0] != model.folder or entry.flag_bits & 0x1:
        raise ModelError(
            f"Expected plain files below {model.folder}/ in the ZIP, but it holds {name[:100]!r}: "
            "a name that points elsewhere, a link, or an encrypted file. Nothing was unpacked; "
            "check LIGHTBOX_WEIGHTS_URL."
        )
    if entry.compress_type not in _METHODS:
        raise ModelError(
            f"Expected a ZIP in the usual method, but {name[:100]!r} has {entry.compress_type}; "
            "pack it again."
        )


def _is_clutter(entry: zipfile.ZipInfo) -> bool:
    return any(part in _CLUTTER for part in entry.filename.split("/"))
