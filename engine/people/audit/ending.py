"""Where the log ends, found anew before each line: a writer may have been killed at any moment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

from engine.people.audit.anchor import START, Anchor, read_anchor
from engine.people.audit.lines import Entry, decode, seal_of
from engine.people.audit.segments import last_segment, name_after, segments

__all__ = ["End", "find_end"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where to write on, and what is wrong there; ``fault`` is empty when nothing is."""

    anchor: Anchor
    fault: str = ""


def find_end(folder: Path, anchor_file: Path, key: bytes) -> End:
    """Return the end of the log; call it with the lock held.

    A line that was written but not yet anchored counts: its seal shows that it is ours. An
    unfinished line is cut off: its writer never said that it was done. After a fault the log goes
    on in a new file, so that what was found stays as it is.
    """
    try:
        anchor, fault = read_anchor(anchor_file, key), ""
    except ValueError as error:
        anchor, fault = None, f"the anchor cannot be used because {error}"
    if anchor is None:
        return _without_anchor(folder, key, fault)
    path = folder / anchor.segment
    size = path.stat().st_size if path.exists() else 0
    if size < anchor.size:
        return _in_new_file(folder, anchor, "lines that were there are missing")
    return _followed(folder, anchor, key)


def _without_anchor(folder: Path, key: bytes, fault: str) -> End:
    if not segments(folder):
        return End(anchor=START, fault=fault)
    last = START
    for path in reversed(segments(folder)):
        found = [line for line in path.read_bytes().split(b"\n") if _ours(line, key)]
        if found:
            entry = decode(found[-1])
            last = Anchor(count=entry.number, hash=entry.hash, segment=path.name, size=0)
            break
    return _in_new_file(folder, last, fault or "the anchor is missing")


def _followed(folder: Path, anchor: Anchor, key: bytes) -> End:
    """Go on from the anchor over lines that were written but not anchored."""
    for path in (path for path in segments(folder) if path.name >= anchor.segment):
        start = anchor.size if path.name == anchor.segment else 0
        with path.open("rb") as file:
            file.seek(start)
            rest = file.read()
        lines = rest.split(b"\n")
        for line in lines[:-1]:
            entry = _ours(line, key)
            if entry is None or (entry.number, entry.previous) != (anchor.count + 1, anchor.hash):
                return _in_new_file(folder, anchor, "lines follow that this server did not write")
            start += len(line) + 1
            anchor = Anchor(count=entry.number, hash=entry.hash, segment=path.name, size=start)
        if lines[-1]:
            os.truncate(path, start)
    return End(anchor=anchor)


def _in_new_file(folder: Path, anchor: Anchor, fault: str) -> End:
    path = name_after(last_segment(folder)) if segments(folder) else folder / START.segment
    return End(
        anchor=Anchor(count=anchor.count, hash=anchor.hash, segment=path.name, size=0),
        fault=fault,
    )


def _ours(line: bytes, key: bytes) -> Entry | None:
    """Return the entry when the line is whole and carries our seal."""
    try:
        entry = decode(line)
    except ValueError:
        return None
    return entry if entry.seal == seal_of(entry.hash, key) else None
