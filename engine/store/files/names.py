"""Names of stored files: the SHA-256 of the bytes in lower-case hex, and where one lies.

``9f86…`` lies at ``9f/9f86…``, so that no folder holds more than a 256th of all files. The same
layout holds in a folder and in a bucket: one can be copied to the other as it is.
"""

from __future__ import annotations

import re

from engine.errors import NotFoundError

__all__ = ["checked", "is_name", "key_of"]

_NAME = re.compile(r"[0-9a-f]{64}")


def is_name(text: str) -> bool:
    """Return whether ``text`` can be the name of a stored file."""
    return _NAME.fullmatch(text) is not None


def checked(name: str) -> str:
    """Return ``name``, which may come from an address bar, once it is sure to leave no folder.

    Raises
    ------
    NotFoundError
        When it is not 64 hexadecimal digits in lower case.
    """
    if not is_name(name):
        raise NotFoundError(
            f"Expected the name of a stored file (64 hexadecimal digits) but got {name[:80]!r}; "
            "take it from the record that refers to the file."
        )
    return name


def key_of(name: str) -> str:
    """Return where the file lies below the root of all files."""
    return f"{name[:2]}/{checked(name)}"
