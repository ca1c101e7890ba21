"""The seam: what a folder and a bucket must each be able to do to hold files.

Reading, listing and naming are the same for both through fsspec; only what differs is here.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["Place"]


class Place(Protocol):
    """Where files lie; every implementation passes ``tests/engine/store/files/test_contract.py``.

    Attributes
    ----------
    filesystem, root
        The fsspec file system and the path in it below which all files lie.
    incoming
        Local folder for bytes on their way in or out.
    address
        What a person calls the place, in sentences.
    """

    @property
    def filesystem(self) -> AbstractFileSystem:
        """Return the fsspec file system."""
        ...

    @property
    def root(self) -> str:
        """Return the path in the file system below which all files lie."""
        ...

    @property
    def incoming(self) -> Path:
        """Return the local folder for bytes on their way in or out."""
        ...

    @property
    def address(self) -> str:
        """Return what a person calls the place."""
        ...

    def keep(self, spooled: Path, sha256: str, media_type: str) -> None:
        """Make ``spooled`` the stored file of this name, whole or not at all; it may be moved.

        A file that is there already becomes as young as a new one.
        """
        ...

    def remove_if_older(self, sha256: str, than: datetime) -> bool:
        """Remove the file unless it was put after ``than``; return whether it was removed."""
        ...

    def link(self, sha256: str, *, name: str, media_type: str, expires_s: int) -> str | None:
        """Return an address that gives the file to a browser, or ``None``: serve it yourself."""
        ...

    def local_path(self, sha256: str) -> Path | None:
        """Return the path of the stored file itself where it lies on this machine."""
        ...

    def ping(self) -> str:
        """Return a sentence when files can be kept here now; cheap enough for once a minute."""
        ...

    def telling(self, doing: str) -> AbstractContextManager[None]:
        """Turn what the libraries raise inside into a :class:`LightboxError` that says it."""
        ...
