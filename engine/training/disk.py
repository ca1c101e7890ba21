"""Files that appear whole or not at all, and a full disk in words."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from engine.errors import DiskShortError

__all__ = ["write_atomically"]


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let ``write`` fill a new file, sync it, and put it in the place of ``path``.

    Raises
    ------
    DiskShortError
        When the disk is full; an earlier file of that name stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskShortError(
                f"The disk is full: {path.name} could not be written. What was saved before is "
                "whole; make room, then start again to go on from there."
            ) from error
        raise
