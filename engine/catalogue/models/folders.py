"""Model folders on this disk, put together from stored files and checked when they are opened."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.errors import ModelError
from engine.store.records import ModelRecord, NamedFile

if TYPE_CHECKING:
    from engine.store.files import Files

__all__ = ["MEDIA_TYPES", "folder_of", "stored"]

MEDIA_TYPES: Final = {
    ".json": "application/json",
    ".png": "image/png",
    ".xml": "application/xml",
    ".md": "text/markdown",
}


def stored(folder: Path, files: Files) -> tuple[NamedFile, ...]:
    """Store every file of a model folder; return them by name.

    Hidden files are left out.
    """
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            media_type = MEDIA_TYPES.get(path.suffix, "application/octet-stream")
            kept = files.put(path, media_type=media_type)
            found.append(NamedFile(name=path.name, sha256=kept.sha256, size_bytes=kept.size))
    return tuple(found)


def folder_of(record: ModelRecord, files: Files, home: Path) -> Path:
    """Return the folder of a model below ``home``, made when it is not there yet.

    It appears whole or not at all; whoever opens it checks each file against the card.

    Raises
    ------
    ModelError
        When the model has no files, because its training did not end well.
    NotFoundError, DamagedFileError
        When a stored file is missing or damaged.
    """
    if not record.files:
        raise ModelError(
            f"“{record.name}” has no files: its training is {record.status}; choose another model."
        )
    place = home / record.id
    if _is_whole(place, record.files):
        return place
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".new-") as made:
        new = Path(made) / "model"
        new.mkdir()
        for file in record.files:
            (new / file.name).write_bytes(files.read(file.sha256))
        shutil.rmtree(place, ignore_errors=True)
        if not place.exists():
            new.rename(place)
    return place


def _is_whole(folder: Path, files: Iterable[NamedFile]) -> bool:
    """Whether all files are there in their size; their content is compared by the card."""
    try:
        return all((folder / file.name).stat().st_size == file.size_bytes for file in files)
    except OSError:
        return False
