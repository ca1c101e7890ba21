"""The note in a model's folder that says where it came from, and reading every byte against it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from engine.spine.weights.catalogue import WeightsModel
from engine.spine.weights.checksums import sha256_of
from engine.spine.weights.folders import MANIFEST, faults_of, read_json
from engine.spine.weights.unpacking import Written

__all__ = ["Verification", "verify_folder", "write_manifest"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What reading every byte found. ``checked`` counts files with a known checksum.

    ``is_whole`` with ``checked`` 0: nothing speaks against the model, but somebody else installed
    it, so that nothing is known to compare with.
    """

    checked: int
    faults: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def write_manifest(
    folder: Path,
    model: WeightsModel,
    files: Sequence[Written],
    *,
    address: str,
    archive_sha256: str,
    compared_with: str,
) -> None:
    """Write ``lightbox.json`` into a model's folder."""
    manifest = {
        "name": model.name,
        "folder": model.folder,
        "release": model.release,
        "source": address,
        "archive_sha256": archive_sha256,
        "archive_compared_with": compared_with,
        "licence": "Apache-2.0; cite 10.1148/ryai.230024",
        "installed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {file.name: {"bytes": file.bytes, "sha256": file.sha256} for file in files},
    }
    with (folder / MANIFEST).open("w", encoding="utf-8") as stream:
        json.dump(manifest, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())


def verify_folder(folder: Path, model: WeightsModel) -> Verification:
    """Read every byte of an installed model and compare it with its manifest."""
    faults = list(faults_of(folder, model))
    files = (read_json(folder / MANIFEST) or {}).get("files")
    entries = files if isinstance(files, dict) else {}
    for name, entry in entries.items():
        path = folder / name
        if not path.is_file():
            continue  # already told
        *_, digest = sha256_of(path)
        if not isinstance(entry, dict) or digest != entry.get("sha256"):
            faults.append(f"the contents of {name} changed")
    return Verification(checked=len(entries), faults=tuple(faults))
