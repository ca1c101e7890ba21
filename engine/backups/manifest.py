"""What an archive says about itself: who made it when, what is in it, and the sum of each member.

The manifest is the member ``manifest.json``, written last. Members are named by fixed forms, so
that no name can point out of the folder that it is unpacked into::

    manifest.json
    records/images.json      one collection each, as the store keeps it
    audit/000001.jsonl       the audit log, as it is kept
    secrets/audit.key        what seals it (and nothing that opens a door)
    drawings/<picture>.journal   strokes of one picture, as they were kept when they ended
    files.jsonl              one line for each stored file: sha256, size
    files/<sha256>           the files themselves, unless they live elsewhere
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, final

from engine.errors import BackupError

__all__ = [
    "FILES_LIST",
    "FORMAT",
    "MANIFEST",
    "VERSION",
    "Content",
    "Manifest",
    "Member",
    "file_member",
    "file_sha256",
    "is_member_name",
]

FORMAT = "lightbox-backup"
VERSION = 1
MANIFEST = "manifest.json"
FILES_LIST = "files.jsonl"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAMES = re.compile(
    r"manifest\.json|files\.jsonl|records/[a-z][a-z0-9_]{0,63}\.json"
    r"|audit/[0-9]{1,12}\.jsonl|secrets/audit\.[a-z]{1,10}|files/[0-9a-f]{64}"
    r"|drawings/[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}\.journal"
)
_ID = re.compile(r"[a-z0-9]{8,64}")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of the archive, unpacked: ``size`` in bytes, ``sha256`` in small hex letters."""

    name: str
    size: int
    sha256: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the real store says of one state.

    ``counts`` and ``digests`` are by collection; a digest is the SHA-256 of all its records in
    the order of their ids, written one way.
    """

    counts: Mapping[str, int]
    digests: Mapping[str, str]
    audit_count: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The whole of ``manifest.json``; ``members`` names all members but itself and ``files/…``.

    ``drawings`` counts the pictures whose strokes are inside; ``None`` when none were looked for.
    """

    id: str
    created_at: datetime
    reason: str
    made_by: str
    program: str
    content: Content
    file_count: int
    file_bytes: int
    files_inside: bool
    members: tuple[Member, ...] = field(default=())
    drawings: int | None = None

    def member(self, name: str) -> Member:
        """Return the member called ``name``.

        Raises
        ------
        BackupError
            When the manifest lists no such member.
        """
        for member in self.members:
            if member.name == name:
                return member
        raise BackupError(
            f"Expected {name} in the backup, but its manifest does not list it; take another one."
        )

    def packed(self) -> bytes:
        """Return the bytes of ``manifest.json``."""
        document = {"format": FORMAT, "version": VERSION, **asdict(self)}
        document["created_at"] = self.created_at.isoformat()
        return json.dumps(document, indent=1, sort_keys=True).encode()

    @classmethod
    def unpacked(cls, data: bytes) -> Manifest:
        """Read ``manifest.json``.

        Raises
        ------
        BackupError
            When it is not one of ours, of a newer form, or incomplete.
        """
        document = _document(data)
        try:
            return _manifest(document)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise BackupError(
                "Expected the manifest of a Lightbox backup with all its fields, but "
                f"{type(problem).__name__} arose in reading it; the archive was altered. "
                "Take another one."
            ) from problem


def is_member_name(name: str) -> bool:
    """Tell whether a backup may hold a member of this name.

    >>> is_member_name("records/images.json"), is_member_name("records/../../etc/passwd")
    (True, False)
    """
    return _NAMES.fullmatch(name) is not None


def file_member(sha256: str) -> str:
    """Return the name of a stored file's member."""
    return f"files/{sha256}"


def file_sha256(name: str) -> str | None:
    """Return the SHA-256 in the name of a stored file's member; None for other members."""
    return name.removeprefix("files/") if name.startswith("files/") else None


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise BackupError(
            "Expected JSON in the backup's manifest, but it cannot be read; the archive is "
            "damaged. Take another one."
        ) from problem
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BackupError(
            "Expected a backup that Lightbox made, but this archive is something else; "
            "choose a file from the folder of backups."
        )
    version = document.get("version")
    if version != VERSION:
        raise BackupError(
            f"Expected a backup of form {VERSION}, but this one has form {str(version)[:20]}; "
            "a newer Lightbox made it. Update this one first."
        )
    return document


def _manifest(document: dict[str, Any]) -> Manifest:
    content = document["content"]
    manifest = Manifest(
        id=_matched(_ID, document["id"]),
        created_at=_moment(document["created_at"]),
        reason=str(document["reason"])[:80],
        made_by=str(document["made_by"])[:200],
        program=str(document["program"])[:40],
        content=Content(
            counts={str(k): _whole(v) for k, v in content["counts"].items()},
            digests={str(k): _matched(_SHA256, v) for k, v in content["digests"].items()},
            audit_count=_whole(content["audit_count"]),
        ),
        file_count=_whole(document["file_count"]),
        file_bytes=_whole(document["file_bytes"]),
        files_inside=document["files_inside"] is True,
        members=tuple(_member(entry) for entry in document["members"]),
        drawings=None if document.get("drawings") is None else _whole(document["drawings"]),
    )
    names = [member.name for member in manifest.members]
    if len(set(names)) != len(names):
        raise ValueError("a member is listed twice")
    if sum(name.startswith("drawings/") for name in names) != (manifest.drawings or 0):
        raise ValueError("there are more or fewer drawings than were counted")
    return manifest


def _member(entry: dict[str, Any]) -> Member:
    name = str(entry["name"])
    if not is_member_name(name) or name == MANIFEST:
        raise ValueError("a member has a name that no backup has")
    return Member(name=name, size=_whole(entry["size"]), sha256=_matched(_SHA256, entry["sha256"]))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment


def _whole(value: Any) -> int:  # noqa: ANN401 – whatever stands in the JSON
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("not a count")
    return value


def _matched(form: re.Pattern[str], value: str) -> str:
    if form.fullmatch(value) is None:
        raise ValueError("not of the expected form")
    return value
