"""The file store that the settings ask for."""

from __future__ import annotations

from pathlib import Path

from engine.settings import Settings
from engine.store.files.bucket import BucketPlace
from engine.store.files.files import Files
from engine.store.files.folder import FolderPlace

__all__ = ["are_remote", "open_files"]


def open_files(settings: Settings) -> Files:
    """Return the files of ``LIGHTBOX_FILES_URL``, or of HOME/files; nothing is asked or made yet.

    Raises
    ------
    MissingBackendError
        When they lie in a bucket and s3fs is not installed.
    """
    if are_remote(settings):
        return Files(BucketPlace(settings))
    return Files(FolderPlace(Path(settings.files_url or settings.home / "files")))


def are_remote(settings: Settings) -> bool:
    """Return whether files lie in a bucket, so that a backup needs no copy of them."""
    return settings.files_url.startswith("s3://")
