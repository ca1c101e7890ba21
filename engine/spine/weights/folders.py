"""Where the weights lie, and whether a model there is whole.

TotalSegmentator takes any folder of the right name for an installed model, also one that an
interrupted download left half empty. Here a model counts only when its files are all there, can be
read, and (where we installed it) still have the sizes that were written.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.spine.weights.catalogue import WeightsModel

if TYPE_CHECKING:
    from engine.settings import Settings

__all__ = [
    "CHECKPOINT",
    "MANIFEST",
    "archive_path",
    "downloads_folder",
    "faults_of",
    "model_folder",
    "read_json",
    "size_of",
    "weights_folder",
]

MANIFEST = "lightbox.json"
"""In a model's folder: where it came from, with size and SHA-256 of each file."""

CHECKPOINT = "fold_0/checkpoint_final.pth"

_PLAIN_PICKLE = b"\x80"  # torch before 1.6 wrote no archive


def weights_folder(settings: Settings) -> Path:
    """Return the folder that holds one folder for each model; it need not exist yet."""
    if settings.totalseg_weights is not None:
        return settings.totalseg_weights
    home = settings.totalseg_home or settings.home / "models" / "totalsegmentator"
    return home / "nnunet" / "results"


def model_folder(settings: Settings, model: WeightsModel) -> Path:
    """Return where a model lies or will lie; inside is :attr:`WeightsModel.inner_folder`."""
    return weights_folder(settings) / model.folder


def archive_path(settings: Settings, model: WeightsModel) -> Path:
    """Return where somebody without a connection puts the archive by hand."""
    return weights_folder(settings) / f"{model.folder}.zip"


def downloads_folder(settings: Settings) -> Path:
    """Return the folder of unfinished downloads: on the same disk as the weights."""
    return weights_folder(settings) / ".lightbox-downloads"


def faults_of(folder: Path, model: WeightsModel) -> tuple[str, ...]:
    """Return what is wrong with a model's folder, in short sentences; nothing when it is whole.

    Looks at presence, sizes, JSON and the end of the checkpoint, not at every byte: a few
    milliseconds. :func:`engine.spine.weights.manifest.verify` reads every byte.
    """
    inner = folder / model.inner_folder
    faults = [
        fault
        for fault in (
            _json_fault(inner, "dataset.json"),
            _json_fault(inner, "plans.json"),
            _checkpoint_fault(inner / CHECKPOINT),
        )
        if fault
    ]
    return (*faults, *_size_faults(folder))


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; 0 when there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file; None when there is none, or it is damaged."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _json_fault(inner: Path, name: str) -> str | None:
    if not (inner / name).is_file():
        return f"{name} is missing"
    return None if read_json(inner / name) else f"{name} is damaged"


def _checkpoint_fault(path: Path) -> str | None:
    if not path.is_file():
        return f"{CHECKPOINT} is missing"
    if zipfile.is_zipfile(path):  # the list of entries stands at the end: the file is not cut off
        return None
    with path.open("rb") as stream:
        is_older_kind = stream.read(1) == _PLAIN_PICKLE
    return None if is_older_kind else f"{CHECKPOINT} is empty, cut off or damaged"


def _size_faults(folder: Path) -> list[str]:
    """Compare sizes with what was written at the installation; without a manifest nothing."""
    if not (folder / MANIFEST).exists():
        return []
    files = (read_json(folder / MANIFEST) or {}).get("files")
    if not isinstance(files, Mapping):
        return [f"{MANIFEST} is damaged"]
    return [
        f"{name} is not as it was installed"
        for name, entry in files.items()
        if not _has_size(folder / name, entry)
    ]


def _has_size(path: Path, entry: object) -> bool:
    wanted = entry.get("bytes") if isinstance(entry, Mapping) else None
    return path.is_file() and path.stat().st_size == wanted
