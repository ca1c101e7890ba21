"""The report of an import: what became of each file, as a document that can be kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, Literal

from engine.datasets.entries import FileOutcome
from engine.errors import DatasetError

__all__ = ["counts", "from_document", "read", "to_document", "write"]

_OUTCOMES: Final[tuple[Literal["accepted", "repaired", "refused", "left_out"], ...]] = (
    *("accepted", "repaired", "refused", "left_out"),
)


def to_document(outcome: FileOutcome) -> dict[str, Any]:
    """Return one line as JSON."""
    return {
        "name": outcome.name,
        "outcome": outcome.outcome,
        "sentences": list(outcome.sentences),
    }


def from_document(document: Any) -> FileOutcome:  # noqa: ANN401 – JSON
    """Return the line that a document tells.

    Raises
    ------
    DatasetError
        When it is none.
    """
    try:
        kind = document["outcome"]
        if kind not in _OUTCOMES:
            raise ValueError(kind)
        sentences = tuple(map(str, document["sentences"]))
        return FileOutcome(name=str(document["name"]), outcome=kind, sentences=sentences)
    except (KeyError, TypeError, ValueError) as problem:
        raise DatasetError("Expected a line of an import's report, but got another.") from problem


def write(outcomes: Iterable[FileOutcome]) -> bytes:
    """Return all lines as one JSON document."""
    lines = [to_document(outcome) for outcome in outcomes]
    return json.dumps({"files": lines}, ensure_ascii=False).encode()


def read(data: bytes) -> tuple[FileOutcome, ...]:
    """Return the lines that :func:`write` wrote.

    Raises
    ------
    DatasetError
        When the bytes are no report.
    """
    try:
        lines = json.loads(data)["files"]
    except (ValueError, KeyError, TypeError) as problem:
        raise DatasetError("Expected the report of an import, but got other bytes.") from problem
    return tuple(from_document(line) for line in lines)


def counts(outcomes: Iterable[FileOutcome]) -> dict[str, int]:
    """Return how many files had each outcome."""
    found = Counter(outcome.outcome for outcome in outcomes)
    return {kind: found.get(kind, 0) for kind in _OUTCOMES}
