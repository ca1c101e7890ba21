"""Names and moments of records: ids that sort by time, and the clock."""

from __future__ import annotations

import base64
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Final

__all__ = ["is_usable_id", "new_id", "now"]

_USABLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
# Base32's own digits sort "A-Z2-7"; these sort like the numbers that they stand for.
_SORTED: Final = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz"
)


def new_id() -> str:
    """Return an id that nobody can guess and that sorts by the time at which it was made.

    48 bits of milliseconds and 80 random bits, as 26 lower-case letters and digits; ids of one
    millisecond are in no particular order.
    """
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    # 130 bits in 26 digits of 5 bits: the number is moved to the top of 17 bytes.
    text = base64.b32encode((number << 6).to_bytes(17, "big"))
    return text.translate(_SORTED)[:26].decode("ascii")


def now() -> datetime:
    """Return the present moment, aware, in UTC, to the microsecond."""
    return datetime.now(UTC)


def is_usable_id(name: str) -> bool:
    """Whether ``name`` may be the id of a record: 1 to 128 of ``A-Z a-z 0-9 . _ : @ -``.

    Nothing that JSON would have to escape, and no path that leads out of a folder.
    """
    return _USABLE.fullmatch(name) is not None
