"""Archives for the tests: a small honest one, and the same with one thing wrong."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.backups.manifest import FILES_LIST, Content, Manifest, file_member
from engine.backups.packing import ArchiveWriter

__all__ = ["FILE", "IMAGES", "MADE_AT", "honest", "manifest_of", "read_all", "rewritten"]

MADE_AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
IMAGES = b'{"records": {}}'
FILE = b"\x00\x01\x02 a stored file"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest_of(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "id": "01abcdefgh",
        "created_at": MADE_AT,
        "reason": "by hand",
        "made_by": "system",
        "program": "0.0",
        "content": Content(counts={"images": 0}, digests={"images": sha(b"")}, audit_count=0),
        "file_count": 1,
        "file_bytes": len(FILE),
        "files_inside": True,
    }
    return Manifest(**(values | changes))


def honest(path: Path) -> Path:
    """Write a whole archive with one collection, one audit segment and one stored file."""
    line = json.dumps({"sha256": sha(FILE), "size": len(FILE)}).encode() + b"\n"
    contents = {"records/images.json": IMAGES, "audit/000001.jsonl": b"{}\n", FILES_LIST: line}
    with ArchiveWriter(path, created_at=MADE_AT) as writer:
        members = tuple(
            writer.add(name, io.BytesIO(data), size=len(data), packed=lambda _: None)
            for name, data in contents.items()
        )
        writer.add(file_member(sha(FILE)), io.BytesIO(FILE), size=4, packed=lambda _: None)
        writer.finish(manifest_of(members=members))
    return path


def read_all(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def rewritten(path: Path, contents: dict[str, bytes]) -> Path:
    """Write an archive of these members by other means than ours."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in contents.items():
            target.writestr(name, data)
    return path
