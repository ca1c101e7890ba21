"""The folders of a running server: made on start, and what a killed server left behind removed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from engine.errors import SettingsError
from engine.settings import Settings

__all__ = ["own_temp_folder", "private_folder"]

_PREFIX = "server-"


def own_temp_folder(settings: Settings) -> Path:
    """Return an empty folder for uploads in flight that belongs to this process alone.

    Folders of servers that no longer run are removed, whatever a crash left in them; those of
    servers that still run are not touched.

    Raises
    ------
    SettingsError
        When the folder cannot be made.
    """
    base = settings.temp_folder
    own = base / f"{_PREFIX}{os.getpid()}"
    try:
        _sweep(base)
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unwritable(base, error) from error
    return own


def private_folder(settings: Settings, area: str) -> Path:
    """Return a new empty folder with a name that nobody can guess, for one user of this process.

    It lies below ``area`` in the folder for uploads, away from what a web library may hand out.
    Such folders of processes that no longer run are removed.

    Raises
    ------
    SettingsError
        When the folder cannot be made.
    """
    base = settings.temp_folder / area
    try:
        _sweep(base)
        base.chmod(0o700)
        return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
    except OSError as error:
        raise _unwritable(base, error) from error


def _sweep(base: Path) -> None:
    """Make ``base`` and remove what processes that no longer run left in it."""
    base.mkdir(parents=True, exist_ok=True)
    for folder in base.glob(f"{_PREFIX}*"):
        if not _runs(folder.name.removeprefix(_PREFIX).partition("-")[0]):
            shutil.rmtree(folder, ignore_errors=True)


def _unwritable(base: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"Expected a folder for uploads at {base}, but it cannot be written "
        f"({error.strerror}); set LIGHTBOX_HOME or LIGHTBOX_TEMP_DIR to one that can."
    )


def _runs(process_id: str) -> bool:
    if not process_id.isdigit():
        return False
    try:
        os.kill(int(process_id), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
