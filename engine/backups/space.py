"""Whether a disk has room for what comes, and one sentence when it runs full all the same."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import DiskShortError

__all__ = ["KEEP_FREE_BYTES", "free_bytes", "full_disk_told", "require_space"]

KEEP_FREE_BYTES = 20_000_000
"""What stays free for the store's own writes while a backup is made."""

# No room left, the user's quota is used up, the file is larger than the process may write.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def free_bytes(folder: Path) -> int:
    """Return what an ordinary user may still write to the disk of ``folder``."""
    return shutil.disk_usage(folder).free


def require_space(folder: Path, need_bytes: int, *, what: str) -> None:
    """Check that the disk of ``folder`` takes ``need_bytes`` and keeps 20 MB.

    Raises
    ------
    DiskShortError
        When it does not; the sentence has both figures.
    """
    free = free_bytes(folder)
    if free < need_bytes + KEEP_FREE_BYTES:
        need_mb = (need_bytes + KEEP_FREE_BYTES) / 1e6
        raise DiskShortError(
            f"Expected {need_mb:,.1f} MB free for {what}, but the disk of {folder} has "
            f"{free / 1e6:,.1f} MB; free some, remove old backups, or set LIGHTBOX_BACKUP_DIR to a "
            "folder on a larger disk."
        )


@contextmanager
def full_disk_told(folder: Path, *, what: str) -> Iterator[None]:
    """Turn the system's refusal to write more into a sentence.

    Raises
    ------
    DiskShortError
        When the disk, the quota or the largest allowed file is full.
    """
    try:
        yield
    except OSError as problem:
        if problem.errno not in _FULL:
            raise
        raise DiskShortError(
            f"The disk of {folder} ran full during {what}; nothing half-made was kept and nothing "
            "else was changed. Free some space, remove old backups, or set LIGHTBOX_BACKUP_DIR to "
            "a folder on a larger disk."
        ) from problem
