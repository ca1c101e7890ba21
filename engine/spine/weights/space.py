"""Whether a disk has room, before it is filled."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.errors import DiskShortError

__all__ = ["require_space"]

_KEEP_FREE_BYTES = 200_000_000
"""What stays free for everybody else on the disk."""
_UNPACKED_SHARE = 1.15
"""Unpacked size to packed: weights are noise, which hardly shrinks."""


def require_space(folder: Path, more_bytes: int, *, packed_bytes: int | None = None) -> None:
    """Check that the disk of ``folder`` takes ``more_bytes`` and keeps 200 MB.

    Raises
    ------
    DiskShortError
        When it does not; the sentence says how much is missing and where.
    """
    need = more_bytes + int((packed_bytes or 0) * _UNPACKED_SHARE)
    free = shutil.disk_usage(folder).free
    if need > 0 and free < need + _KEEP_FREE_BYTES:
        raise DiskShortError(
            f"Expected {(need + _KEEP_FREE_BYTES) / 1e6:,.0f} MB free on the disk of {folder}, but "
            f"only {free / 1e6:,.0f} MB are; free some, or set LIGHTBOX_TOTALSEG_WEIGHTS to a "
            "folder on a larger disk."
        )
