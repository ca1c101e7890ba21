"""The end of the audit log as its writers knew it, kept beside it and sealed.

Without it nobody could tell a log whose last lines were cut off from one that ends there.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from engine.people.audit.lines import GENESIS

__all__ = ["START", "Anchor", "read_anchor", "write_anchor"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Number and hash of the last line, and the size in bytes of its file up to its end."""

    count: int
    hash: str
    segment: str
    size: int


START: Final = Anchor(count=0, hash=GENESIS, segment="000001.jsonl", size=0)
"""The anchor of a log without a line."""


def read_anchor(path: Path, key: bytes) -> Anchor | None:
    """Return the anchor, or ``None`` when there is none.

    Raises
    ------
    ValueError
        When it is damaged or its seal does not fit.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        document = json.loads(text)
        anchor = Anchor(**{name: document[name] for name in Anchor.__dataclass_fields__})
        sound = hmac.compare_digest(_seal(anchor, key), document["seal"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("it is damaged") from error
    if not sound:
        raise ValueError("its seal does not fit")
    return anchor


def write_anchor(path: Path, anchor: Anchor, key: bytes) -> None:
    """Put ``anchor`` in the place of the one before it, whole or not at all."""
    document = {**_document(anchor), "seal": _seal(anchor, key)}
    fresh = path.with_suffix(".new")  # one writer at a time: it holds the lock
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(document))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _seal(anchor: Anchor, key: bytes) -> str:
    text = json.dumps(_document(anchor), sort_keys=True)
    return hmac.new(key, b"lightbox anchor " + text.encode(), hashlib.sha256).hexdigest()


def _document(anchor: Anchor) -> dict[str, object]:
    return {
        "count": anchor.count,
        "hash": anchor.hash,
        "segment": anchor.segment,
        "size": anchor.size,
    }
