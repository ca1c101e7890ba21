"""Which processes a test has started: the session's browser and servers do not count."""

from __future__ import annotations

from contextlib import suppress

import psutil

__all__ = ["note_earlier", "started_here"]

_earlier: set[psutil.Process] = set()


def note_earlier() -> None:
    """Take what runs now for older than the test."""
    _earlier.clear()
    _earlier.update(psutil.Process().children())


def started_here() -> list[psutil.Process]:
    """Return the living processes that this process started since, with all below them."""
    found: list[psutil.Process] = []
    for child in psutil.Process().children():
        if child not in _earlier:
            found.append(child)
            with suppress(psutil.NoSuchProcess):  # it may end while it is asked
                found += child.children(recursive=True)
    return found
