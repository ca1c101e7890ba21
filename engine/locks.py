"""Whether a lock file is held: the kernel's lock (``flock``), which ends with its holder.

``flock`` is not reliable on some network drives.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

__all__ = ["is_locked"]


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds the lock of this file alone; changes nothing, makes no file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A shared lock, so that two who ask do not see each other.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
