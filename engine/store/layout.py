r"""How a collection lies in its file: a TinyDB document whose first line says what must follow.

::

    {"_about":{"1":{"format":1,"collection":"jobs","schema":1,"version":17,…,"sha256":"…"}},
    "records":{
    "01…":{"task":"backup",…},
    "01…":{"task":"sample_data",…}
    }}

The whole is one JSON document of TinyDB's form (tables ``_about`` and ``records``). Each record
has a line of its own, so that a reader who knows the version before looks only at lines that
changed. ``sha256`` covers the other values of the first line and every byte after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, final

import orjson

from engine.errors import NewerStoreError
from engine.store.identity import is_usable_id

__all__ = [
    "FIRST_LINE_BYTES",
    "FORMAT",
    "About",
    "TornError",
    "line_of",
    "pack",
    "peek",
    "raw_of",
    "unpack",
]

FORMAT: Final = 1
# The first line is filled up with blanks to this length, so that one short read gets all of it.
FIRST_LINE_BYTES: Final = 384

_OPENING: Final = b'"records":{\n'
_BETWEEN: Final = b",\n"
_CLOSING: Final = b"\n}}\n"


class TornError(Exception):
    """The bytes are no whole, unchanged collection file; the text says what is wrong with them."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The first line of a collection file."""

    collection: str
    schema: int
    version: int
    count: int
    size_bytes: int
    written_at: datetime
    sha256: str
    format: int = FORMAT


def pack(
    lines: Mapping[str, bytes], *, collection: str, schema: int, version: int, at: datetime
) -> list[bytes]:
    """Return the file in parts, so that no second copy of its records is made.

    ``lines`` maps ids to the stored form of their record, as bytes ``"id":{…}``.
    """
    body = (_OPENING, _BETWEEN.join(lines.values()), _CLOSING)
    about = About(
        collection=collection,
        schema=schema,
        version=version,
        count=len(lines),
        size_bytes=sum(map(len, body)),
        written_at=at,
        sha256="",
    )
    about = replace(about, sha256=_digest(about, *body))
    first = orjson.dumps({"_about": {"1": about}}, option=orjson.OPT_UTC_Z)[:-1] + b","
    assert len(first) < FIRST_LINE_BYTES, "names of collections are short"
    return [first.ljust(FIRST_LINE_BYTES - 1) + b"\n", *body]


def peek(first: bytes) -> About:
    """Read the first line of a file.

    Raises
    ------
    TornError
        When it is not one that :func:`pack` has written.
    NewerStoreError
        When a later version of this module has written it.
    """
    if not first:
        raise TornError("it is empty")
    if len(first) < FIRST_LINE_BYTES:
        raise TornError(f"it ends after {len(first)} bytes, inside its first line")
    try:
        stored = orjson.loads(first.rstrip().removesuffix(b",") + b"}")["_about"]["1"]
        newer = stored["format"] > FORMAT
        if not newer:
            moment = datetime.fromisoformat(stored.pop("written_at"))
            about = About(written_at=moment, **stored)
            _check_types(about)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise TornError("its first line is not one that Lightbox has written") from None
    if newer:
        raise NewerStoreError(
            "The records lie in a form that a newer Lightbox has introduced; start that one, or "
            "restore a backup made before the update. Nothing was changed."
        )
    return about


def unpack(content: bytes) -> tuple[About, dict[str, bytes]]:
    """Return the first line's content and the lines by id.

    Raises
    ------
    TornError
        When a byte is missing or changed.
    """
    about = peek(content[:FIRST_LINE_BYTES])
    size = len(content) - FIRST_LINE_BYTES
    if size != about.size_bytes:
        raise TornError(f"it should have {about.size_bytes:,} bytes of records but has {size:,}")
    body = memoryview(content)[FIRST_LINE_BYTES:]
    if _digest(about, body) != about.sha256:
        raise TornError("its content does not match its checksum")
    inner = content[FIRST_LINE_BYTES + len(_OPENING) : -len(_CLOSING)]
    lines = _by_id(inner.split(_BETWEEN)) if inner else {}
    if len(lines) != about.count:
        raise TornError(f"it should hold {about.count} records but holds {len(lines)}")
    return about, lines


def _digest(about: About, *body: bytes | memoryview) -> str:
    digest = hashlib.sha256(orjson.dumps(replace(about, sha256=""), option=orjson.OPT_UTC_Z))
    for part in body:
        digest.update(part)
    return digest.hexdigest()


def _check_types(about: About) -> None:
    numbers: tuple[Any, ...] = (
        *(about.schema, about.version, about.count),
        *(about.size_bytes, about.format),
    )
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise TypeError
    if type(about.collection) is not str or type(about.sha256) is not str:
        raise TypeError


def _by_id(lines: Iterable[bytes]) -> dict[str, bytes]:
    return {line[1 : line.index(b'"', 1)].decode("ascii"): line for line in lines}


def line_of(name: str, raw: bytes) -> bytes:
    """Return the line of a record from its id and stored form."""
    if not is_usable_id(name):
        raise ValueError(
            f"An id has 1 to 128 of A-Z a-z 0-9 . _ : @ - and begins with one of the first 62, "
            f"but this one has {len(name)} characters; use new_id()."
        )
    return b'"' + name.encode("ascii") + b'":' + raw


def raw_of(name: str, line: bytes) -> bytes:
    """Return the stored form of a record from its line."""
    return line[len(name) + 3 :]
