"""The folders of a running server: made on start, and what a killed server left behind removed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from engine.errors import SettingsError
from engine.settings import Settings

__all__ = ["own_temp_folder"]

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
        base.mkdir(parents=True, exist_ok=True)
        for folder in base.glob(f"{_PREFIX}*"):
            if folder == own or not _runs(folder.name.removeprefix(_PREFIX)):
                shutil.rmtree(folder, ignore_errors=True)
        own.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"Expected a folder for uploads at {base}, but it cannot be written "
            f"({error.strerror}); set LIGHTBOX_HOME or LIGHTBOX_TEMP_DIR to one that can."
        ) from error
    return own


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
