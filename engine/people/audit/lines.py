"""One line of the audit log: what it says, how it is written, hashed and sealed.

::

    {"action":…,"actor":…,…,"n":7,"previous":HASH,…,"hash":SHA-256,"seal":HMAC}
     └──────────── canonical JSON, keys sorted ────┘ the hash is of all before it
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, final

__all__ = ["GENESIS", "Entry", "decode", "encode", "seal_of"]

GENESIS: Final = "0" * 64
"""What the first line gives as the hash of the line before it."""

_TAIL: Final = len(',"hash":"","seal":""}') + 64 + 64


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What somebody did.

    ``number`` counts from 1 over the whole log; ``record`` is ``kind/ID`` or empty; ``details``
    holds plain JSON values; ``hash`` and ``seal`` are 64 hexadecimal digits each.
    """

    number: int
    at: datetime
    actor_id: str
    actor_name: str
    role: str
    address: str
    action: str
    record: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)
    previous: str = GENESIS
    hash: str = ""
    seal: str = ""


def encode(entry: Entry, key: bytes) -> tuple[bytes, Entry]:
    """Return the line of ``entry`` with its line end, and the entry with hash and seal filled in.

    ``hash`` and ``seal`` of what is given are ignored.
    """
    body = json.dumps(
        {
            "action": entry.action,
            "actor": entry.actor_id,
            "address": entry.address,
            "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "details": dict(entry.details),
            "n": entry.number,
            "name": entry.actor_name,
            "previous": entry.previous,
            "record": entry.record,
            "role": entry.role,
            "text": entry.text,
        },
        ensure_ascii=True,  # no line end of Unicode's can then split a line
        allow_nan=False,
        sort_keys=True,
        separators=(",", ":"),
    ).encode("ascii")
    digest = _hash_of(body)
    seal = seal_of(digest, key)
    line = body[:-1] + f',"hash":"{digest}","seal":"{seal}"}}\n'.encode("ascii")
    return line, _entry(json.loads(body), digest, seal)


def decode(line: bytes) -> Entry:
    """Return the entry of one line, with or without its line end.

    Raises
    ------
    ValueError
        When it is not a line as :func:`encode` writes it, to the byte, or its hash does not fit.
    """
    line = line.rstrip(b"\n")
    body, tail = line[:-_TAIL] + b"}", line[-_TAIL:]
    digest, seal = tail[9:73].decode("ascii"), tail[83:147].decode("ascii")
    expected = f',"hash":"{_hash_of(body)}","seal":"{seal}"}}'
    if not hmac.compare_digest(tail, expected.encode("ascii")):
        raise ValueError("it was changed: its hash does not fit")
    try:
        return _entry(json.loads(body), digest, seal)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it is not a line of this log") from error


def seal_of(digest: str, key: bytes) -> str:
    """Return the seal of a line with that hash, 64 hexadecimal digits."""
    return hmac.new(key, b"lightbox audit " + digest.encode("ascii"), hashlib.sha256).hexdigest()


def _hash_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _entry(document: Mapping[str, Any], digest: str, seal: str) -> Entry:
    return Entry(
        number=document["n"],
        at=datetime.fromisoformat(document["at"]),
        actor_id=document["actor"],
        actor_name=document["name"],
        role=document["role"],
        address=document["address"],
        action=document["action"],
        record=document["record"],
        text=document["text"],
        details=document["details"],
        previous=document["previous"],
        hash=digest,
        seal=seal,
    )
