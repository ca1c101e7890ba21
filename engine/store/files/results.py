"""What the file store hands out: references, findings and reports; no bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import final

__all__ = ["Checked", "FileRef", "Garbage", "StoredFile"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """What a record keeps of a file: its name (SHA-256 in hex), bytes and media type."""

    sha256: str
    size: int
    media_type: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file as the place lists it; ``modified`` (UTC) is when it was last put."""

    sha256: str
    size: int
    modified: datetime


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Whether a file's bytes are those that its name promises; ``sentence`` says it to a person."""

    sha256: str
    ok: bool
    size: int
    sentence: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """What a collection found, and what it did.

    Attributes
    ----------
    total
        Files looked at.
    unreferenced
        Files that no record names and that are old enough to go.
    size
        Bytes of these.
    young
        Files that no record names yet, too young to go.
    removed, freed
        Files and bytes that were removed; none in a dry run.
    leftovers
        Files that interrupted writers left behind, removed as well unless it was a dry run.
    older_than
        Nothing that was put after this moment was touched.
    held_by_job
        Id of the unfinished job because of which ``older_than`` is earlier than was asked for.
    """

    dry_run: bool
    total: int
    unreferenced: tuple[StoredFile, ...]
    size: int
    young: int
    removed: int
    freed: int
    leftovers: int
    older_than: datetime
    held_by_job: str | None

    @property
    def sentence(self) -> str:
        """The report in words."""
        found = f"{len(self.unreferenced)} of {self.total} files ({_megabytes(self.size)})"
        if self.dry_run:
            text = f"{found} are named by no record and could go."
        else:
            text = (
                f"{found} were named by no record; "
                f"{self.removed} removed, {_megabytes(self.freed)} freed."
            )
        if self.young:
            text += f" {self.young} more are too young to judge."
        if self.held_by_job:
            text += f" Files since the start of the unfinished job {self.held_by_job} were left."
        return text


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
