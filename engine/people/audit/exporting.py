"""The audit log as a file to take away."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Final, Literal

from engine.people.audit.lines import Entry

__all__ = ["COLUMNS", "Kind", "exported"]

Kind = Literal["csv", "jsonl"]
"""csv: a table for a spreadsheet, formulas made harmless; jsonl: a JSON object on each line."""

COLUMNS: Final = (
    *("number", "at", "actor_id", "actor_name", "role", "address", "action", "record", "text"),
    *("details", "hash"),
)

# A spreadsheet runs a cell that begins like this as a formula (OWASP, "CSV injection").
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def exported(entries: Iterable[Entry], kind: Kind) -> bytes:
    """Return the entries in UTF-8; the CSV with the mark that spreadsheets know it by."""
    if kind == "jsonl":
        return "".join(json.dumps(_document(entry)) + "\n" for entry in entries).encode()
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for entry in entries:
        writer.writerow([_harmless(value) for value in _document(entry).values()])
    return text.getvalue().encode("utf-8-sig")


def _document(entry: Entry) -> dict[str, object]:
    document = {name: getattr(entry, name) for name in COLUMNS}
    return {**document, "at": entry.at.isoformat(), "details": dict(entry.details)}


def _harmless(value: object) -> object:
    """Return text that a spreadsheet shows as text; an apostrophe in front makes it so."""
    if isinstance(value, dict):
        value = json.dumps(value, sort_keys=True) if value else ""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA_STARTS):
        return "'" + value
    return value
