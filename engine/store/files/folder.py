"""Files in a local folder: written beside their place, synced, then renamed into it.

A lock file keeps a writer and the removal of garbage apart; like every ``flock`` it is not
reliable on network drives.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, final

from engine.errors import DiskShortError, LightboxError, NotFoundError, SettingsError
from engine.store.disk import sync_folder
from engine.store.files import names
from engine.store.files.spooling import spooled

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from fsspec import AbstractFileSystem

__all__ = ["FolderPlace"]


@final
class FolderPlace:
    """A folder of this machine; see :class:`~engine.store.files.places.Place`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()

    @cached_property
    def filesystem(self) -> AbstractFileSystem:
        """Local folders as fsspec sees them."""
        import fsspec

        return fsspec.filesystem("file", skip_instance_cache=True)

    @property
    def root(self) -> str:
        """The folder's path."""
        return str(self._folder)

    @property
    def incoming(self) -> Path:
        """Where bytes arrive: the same file system, so that a rename completes them."""
        return self._folder / ".incoming"

    @property
    def address(self) -> str:
        """The folder's path."""
        return str(self._folder)

    def keep(self, spooled: Path, sha256: str, media_type: str) -> None:  # noqa: ARG002 – as the seam
        """Rename ``spooled`` to its place; a damaged file of this name is thereby replaced."""
        path = self._path(sha256)
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_folder(self._folder)
        with self._lock():
            os.replace(spooled, path)  # noqa: PTH105 – as the documents of os say: atomic
        sync_folder(path.parent)

    def remove_if_older(self, sha256: str, than: datetime) -> bool:
        """Remove the file while no writer can bring it back to life in between."""
        path = self._path(sha256)
        with self._lock():
            try:
                modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            except FileNotFoundError:
                return False
            if modified > than:
                return False
            # Not synced: after a power cut the file may be there again, as garbage once more.
            path.unlink()
        return True

    def link(
        self,
        sha256: str,  # noqa: ARG002 – as the seam
        *,
        name: str,  # noqa: ARG002 – as the seam
        media_type: str,  # noqa: ARG002 – as the seam
        expires_s: int,  # noqa: ARG002 – as the seam
    ) -> None:
        """Return nothing: our own server gives local files out, with its own permissions."""
        return

    def local_path(self, sha256: str) -> Path | None:
        """Return the stored file's own path."""
        return self._path(sha256)

    def ping(self) -> str:
        """Write and remove a few bytes."""
        with spooled(b"ping", self.incoming):
            return f"Files can be written to {self.address}."

    @contextmanager
    def telling(self, doing: str) -> Iterator[None]:
        """Say what the operating system said, with the folder and what to do."""
        try:
            yield
        except LightboxError:
            raise
        except FileNotFoundError as error:
            raise NotFoundError(
                f"Expected {doing} in {self.address}, but there is none; it was removed, or "
                "LIGHTBOX_HOME or LIGHTBOX_FILES_URL names another place than before."
            ) from error
        except OSError as error:
            raise self._told(doing, error) from error

    def _told(self, doing: str, error: OSError) -> LightboxError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return DiskShortError(
                f"Expected room for {doing} in {self.address}, but the disk is full "
                f"({_free_mb(self._folder):.0f} MB free); free some, then try again."
            )
        return SettingsError(
            f"Expected to read and write {doing} in {self.address}, but the system says "
            f"{error.strerror or type(error).__name__}; see that the folder belongs to the server."
        )

    def _path(self, sha256: str) -> Path:
        return self._folder / names.key_of(sha256)

    def _lock(self) -> BaseFileLock:
        from filelock import FileLock

        return FileLock(self._folder / ".lock", timeout=60)


def _free_mb(folder: Path) -> float:
    try:
        return shutil.disk_usage(folder).free / 1e6
    except OSError:
        return 0.0
