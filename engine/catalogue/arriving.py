"""Pictures that somebody sends: kept on the disk, looked at, and handed to the import job."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final, final

from engine.errors import RequestError
from engine.people.permissions import require

if TYPE_CHECKING:
    from engine.people.actors import Actor
    from engine.store.files import Files

__all__ = ["Arrived", "receive"]

_PIECE: Final = 1 << 20


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A file that came: its content hash, what it was called, and what a first look found.

    ``survey`` is :attr:`engine.datasets.surveying.Survey.document`.
    """

    sha256: str
    filename: str
    size: int
    survey: Mapping[str, Any]


def receive(
    actor: Actor, files: Files, sent: Sequence[tuple[str, BinaryIO]], *, temporary: Path
) -> Arrived:
    """Store what was sent and look at it; several files become one ZIP, piece by piece.

    Raises
    ------
    RequestError
        When nothing was sent.
    DatasetError, TooLargeError
        When it is no dataset that can be read; the sentence says what was expected.
    """
    require(actor, "datasets.add")
    if not sent:
        raise RequestError("Expected pictures or a ZIP, but no file came; choose some.")
    from engine.datasets.surveying import survey

    if len(sent) == 1:
        filename, stream = sent[0]
        kept = files.put(stream, media_type="application/octet-stream")
    else:
        filename = f"{len(sent)} files.zip"
        temporary.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=temporary, prefix="sent-") as folder:
            path = Path(folder) / "sent.zip"
            _pack(sent, path)
            kept = files.put(path, media_type="application/zip")
    with files.path(kept.sha256) as path:
        seen = survey(path, filename=filename)
    return Arrived(
        sha256=kept.sha256, filename=filename[:200], size=kept.size, survey=seen.document
    )


def _pack(sent: Sequence[tuple[str, BinaryIO]], path: Path) -> None:
    names: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for number, (name, stream) in enumerate(sent):
            plain = PurePosixPath(name.replace("\\", "/")).name.lstrip(".") or f"file_{number}"
            free = plain if plain not in names else f"{number}_{plain}"
            names.add(free)
            with archive.open(free, "w", force_zip64=True) as target:
                shutil.copyfileobj(stream, target, _PIECE)
