"""Which lines of the audit log somebody wants to see."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final, final

from engine.people.audit.lines import Entry

__all__ = ["EVERYTHING", "Filters"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a line must have; an empty filter asks for nothing.

    ``action`` is a whole name or the area before the dot (``users`` fits ``users.manage``),
    ``record`` a whole ``kind/ID`` or a kind, ``text`` a part of the sentence, the record or the
    name in any case; ``since`` is included, ``until`` is not.
    """

    actor_id: str = ""
    action: str = ""
    record: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def fit(self, entry: Entry) -> bool:
        """Say whether ``entry`` has all that is asked for."""
        return (
            (not self.actor_id or entry.actor_id == self.actor_id)
            and (not self.action or _is_below(entry.action, self.action, "."))
            and (not self.record or _is_below(entry.record, self.record, "/"))
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at < self.until)
            and (not self.text or _mentions(entry, self.text))
        )

    def may_fit(self, line: bytes) -> bool:
        """Say of an undecoded line whether it is worth decoding; ``False`` only when it cannot fit.

        A line with a sign outside ASCII is always worth it: its upper and lower case are not
        those of the bytes.
        """
        if b"\\u" in line:
            return True
        lower = line.lower()
        wanted = (self.actor_id, self.action, self.record, self.text)
        return all(json.dumps(part)[1:-1].lower().encode() in lower for part in wanted if part)


EVERYTHING: Final = Filters()


def _is_below(name: str, wanted: str, separator: str) -> bool:
    return name == wanted or name.startswith(wanted.rstrip(separator) + separator)


def _mentions(entry: Entry, text: str) -> bool:
    wanted = text.casefold()
    places = (entry.text, entry.record, entry.actor_name, entry.action, entry.address)
    return any(wanted in place.casefold() for place in places)
