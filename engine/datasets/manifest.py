"""What a version of a dataset consists of, as a text whose hash names the version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final, final

__all__ = ["FORMAT", "FrozenPicture", "content", "name_of"]

FORMAT: Final = "lightbox-dataset-1"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenPicture:
    """One picture of a version: its files by content hash, and where it belongs."""

    name: str
    sha256: str
    mask_sha256: str = ""
    group: str = ""
    split: str = ""


def content(pictures: Iterable[FrozenPicture], *, classes: tuple[str, ...]) -> bytes:
    """Return the manifest as canonical JSON: pictures by name, no spaces, ASCII.

    The same pictures, masks, groups, splits and classes give the same bytes, whoever freezes them
    and when; what has no influence on training (a description, a comment) is not in it.
    """
    rows = sorted((asdict(picture) for picture in pictures), key=lambda row: sorted(row.items()))
    rows.sort(key=lambda row: str(row["name"]))
    document = {"classes": list(classes), "format": FORMAT, "pictures": rows}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def name_of(manifest: bytes) -> str:
    """Return the SHA-256 that names the version."""
    return hashlib.sha256(manifest).hexdigest()
