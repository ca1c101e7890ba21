"""What lasts on a disk: names that survive a power cut, and failures of a write in a sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine.errors import DiskShortError, StoreError

__all__ = ["sync_folder", "told_failures"]

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sync_folder(folder: Path) -> None:
    """Wait until the names in ``folder`` are on the disk: a rename is not, before that."""
    with told_failures(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def told_failures(path: Path, *, what: str = "", again: str = "try again") -> Iterator[None]:
    """Turn what the operating system says of a write into a sentence.

    ``what`` is said not to be written, the file's name without it; ``again`` is what to do then.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        name = what or path.name
        if error.errno in _FULL:
            raise DiskShortError(
                f"{name} could not be written ({reason}), and nothing was changed; "
                f"free space where {path.parent} lies, then {again}."
            ) from error
        raise StoreError(
            f"{name} could not be written in {path.parent} ({reason}); "
            f"make the folder writable for the user that runs Lightbox."
        ) from error
