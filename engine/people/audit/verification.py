"""Whether the audit log is as its writers left it, and if not, where the first fault is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from engine.errors import RequestError
from engine.people.audit.anchor import Anchor, read_anchor
from engine.people.audit.lines import GENESIS, Entry, decode, seal_of
from engine.people.audit.segments import complete_lines, segments

__all__ = ["NOTHING_YET", "AuditReport", "Found", "look", "verified"]

_EXPECTED: Final = re.compile(r"(\d+):([0-9a-f]{64})")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What a check of the log found.

    ``count`` lines were read. ``first_bad`` is the number of the first line that is changed,
    missing, moved or foreign, ``None`` when none is. ``head`` (``COUNT:HASH``) is worth a note on
    another machine. ``faults`` counts the lines in which the server itself reported a fault.
    """

    ok: bool
    count: int
    first_bad: int | None
    sentence: str
    head: str = ""
    faults: int = 0


NOTHING_YET: Final = AuditReport(
    ok=True, count=0, first_bad=None, sentence="Nothing has been logged yet."
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The log at one moment: its files with their sizes in bytes, key and anchor."""

    sizes: tuple[tuple[Path, int], ...]
    key: bytes | None
    anchor: Anchor | None
    anchor_fault: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    number: int
    sentence: str


@final
class _Chain:
    """Follows the lines one by one; ``number`` and ``hash`` are of the last one that was sound."""

    def __init__(self, found: Found, *, from_start: bool, noted: Anchor | None) -> None:
        self.number, self.hash, self.count, self.faults = 0, GENESIS, 0, 0
        self._knows_before = from_start
        self._key = found.key
        self._known = [anchor for anchor in (found.anchor, noted) if anchor is not None]

    def follow(self, line: bytes, place: str) -> _Fault | None:
        """Take the next line; return what is wrong with it."""
        due = self.number + 1
        self.count += 1
        try:
            entry = decode(line)
        except ValueError:
            return _Fault(
                number=due, sentence=f"Line {due} ({place}) was changed: its hash does not fit"
            )
        if not self._knows_before:  # only the newest file is read
            self._knows_before, due, self.hash = True, entry.number, entry.previous
        if wrong := self._wrong(entry, due):
            return _Fault(number=min(due, entry.number), sentence=f"{wrong} ({place})")
        self.number, self.hash = entry.number, entry.hash
        self.faults += entry.action == "audit.fault"
        return None

    def _wrong(self, entry: Entry, due: int) -> str:
        if entry.number > due:
            missing = f"Line {due} is" if entry.number == due + 1 else f"Lines {due} to "
            missing += "" if entry.number == due + 1 else f"{entry.number - 1} are"
            return f"{missing} missing before line {entry.number}"
        if entry.number < due:
            return f"Line {entry.number} stands where line {due} belongs"
        if entry.previous != self.hash:
            return f"Line {due} does not follow from the line before it"
        if self._key is not None and entry.seal != seal_of(entry.hash, self._key):
            return f"Line {due} was not sealed with this server's key"
        if any(known.count == due and known.hash != entry.hash for known in self._known):
            return f"Line {due} is not the one that was noted"
        return ""


def look(folder: Path, anchor_file: Path, key: bytes | None) -> Found:
    """Return what is there now; call it with the lock held."""
    sizes = tuple((path, path.stat().st_size) for path in segments(folder))
    if key is None:
        return Found(sizes=sizes, key=None, anchor=None, anchor_fault="the key is missing")
    try:
        anchor = read_anchor(anchor_file, key)
    except ValueError as error:
        return Found(sizes=sizes, key=key, anchor=None, anchor_fault=str(error))
    fault = "it is missing" if anchor is None and sizes else ""
    return Found(sizes=sizes, key=key, anchor=anchor, anchor_fault=fault)


def verified(found: Found, *, newest_only: bool, expected: str) -> AuditReport:
    """Check what was found; ``expected`` is ``COUNT:HASH`` of an earlier report, or empty.

    Raises
    ------
    RequestError
        When ``expected`` is not of that form.
    """
    noted = _noted(expected)
    chain = _Chain(found, from_start=not newest_only, noted=noted)
    files = found.sizes[-1:] if newest_only else found.sizes
    fault = _first_fault(chain, files) or _fault_at_end(chain, found, noted)
    return AuditReport(
        ok=fault is None,
        count=chain.count,
        first_bad=fault.number if fault else None,
        sentence=_sentence(chain, fault),
        head="" if fault else f"{chain.number}:{chain.hash}",
        faults=chain.faults,
    )


def _first_fault(chain: _Chain, files: tuple[tuple[Path, int], ...]) -> _Fault | None:
    for path, size in files:
        for number, line in enumerate(complete_lines(path, limit=size), start=1):
            fault = chain.follow(line, f"{path.name}, line {number}")
            if fault:
                return fault
    return None


def _fault_at_end(chain: _Chain, found: Found, noted: Anchor | None) -> _Fault | None:
    due = chain.number + 1
    for known, where in ((found.anchor, "the anchor"), (noted, "the note")):
        if known is not None and known.count >= due:
            many = known.count - chain.number
            words = "The last line is" if many == 1 else f"The last {many} lines are"
            return _Fault(
                number=due, sentence=f"{words} missing: {where} says that there were {known.count}"
            )
    if found.key is None:
        return _Fault(
            number=due,
            sentence="The chain is whole, but nobody can tell who wrote it: the key that seals "
            "it is missing; put HOME/secrets back from a backup",
        )
    if found.anchor_fault:
        return _Fault(
            number=due,
            sentence="The chain is whole, but nobody can tell whether lines were cut off at its "
            f"end: the anchor cannot be used, {found.anchor_fault}",
        )
    return None


def _sentence(chain: _Chain, fault: _Fault | None) -> str:
    if fault:
        return f"{fault.sentence}."
    lines = "1 line follows" if chain.count == 1 else f"{chain.count:,} lines follow"
    note = ""
    if chain.faults:
        note = f" {chain.faults} of them tell of a fault that was found earlier (audit.fault)."
    return f"All is in order: {lines} from one another up to the anchor.{note}"


def _noted(expected: str) -> Anchor | None:
    if not expected:
        return None
    match = _EXPECTED.fullmatch(expected.strip())
    if match is None:
        raise RequestError(
            "What an earlier check gave has the form COUNT:HASH with 64 hexadecimal digits, but "
            f"here is {expected[:80]!r}; copy the whole of it."
        )
    return Anchor(count=int(match[1]), hash=match[2], segment="", size=0)
