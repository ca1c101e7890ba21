"""Brings the stored files of a backup back; adds only, so that it may be cut off at any moment."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from shutil import copyfile

from engine.backups.opening import Archive
from engine.backups.packing import Packed, sync_folder
from engine.backups.space import require_space
from engine.errors import BackupError
from engine.people.audit import AuditLog
from engine.store.files import Files
from engine.store.files.folder import FolderPlace

__all__ = ["bring_audit_back", "bring_files_back", "require_files"]


def require_files(archive: Archive, files: Files) -> None:
    """Check that all files of a backup are in it or in the store, and that they will fit.

    Raises
    ------
    BackupError
        When files are neither here nor there.
    DiskShortError
        When what is missing does not fit.
    """
    there = {file.sha256: file.size for file in files.list()}
    absent = [file for file in archive.files() if there.get(file.sha256) != file.size]
    if absent and not archive.manifest.files_inside:
        raise BackupError(
            f"The backup lists {archive.manifest.file_count:,} stored files without holding them, "
            f"and {len(absent):,} of these are no longer there, {absent[0].sha256} among them. "
            "Take a backup that holds its files, or see LIGHTBOX_FILES_URL."
        )
    if isinstance(files.place, FolderPlace):
        folder = _existing(Path(files.place.root))
        require_space(folder, sum(file.size for file in absent), what="the files of the backup")


def bring_files_back(archive: Archive, files: Files, *, packed: Packed) -> None:
    """Put every file of a backup that is not whole in the store into it.

    Raises
    ------
    BackupError
        When a file in the backup is damaged; what was put before stays and harms nobody.
    DiskShortError, RemoteError, SettingsError
        When the place has no room, does not answer or cannot be written.
    """
    if not archive.manifest.files_inside:
        return
    there = {file.sha256 for file in files.list()}
    for file in archive.files():
        if file.sha256 not in there or not files.verify(file.sha256).ok:
            with archive.file(file) as stream:
                found = files.put(stream, media_type="application/octet-stream")
            if found.sha256 != file.sha256:
                files.remove(found.sha256)
                raise BackupError(
                    f"File {file.sha256} in the backup has other bytes than its name promises; "
                    "take another backup."
                )
        packed(file.size)


def bring_audit_back(audit: AuditLog, scratch: Path) -> bool:
    """Put the saved audit log into a home that has none; returns whether that was so.

    A log that has begun is never replaced: what was done since must stay in it.
    """
    saved = sorted((scratch / "records" / "audit").glob("*.jsonl"))
    if not saved:
        return False
    with audit.frozen():
        if any(path.suffix == ".jsonl" for path in audit.files):
            return False
        beside = audit.folder.parent.parent / "secrets"
        beside.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The lines last: as long as there are none, it is done again from the beginning.
        for path in sorted((scratch / "secrets").iterdir()):
            _put(path, beside / path.name)
        for path in reversed(saved):
            _put(path, audit.folder / path.name)
    return True


def _put(source: Path, target: Path) -> None:
    fresh = target.with_name(f".{target.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    copyfile(source, fresh)
    fresh.chmod(0o600)
    fresh.replace(target)
    sync_folder(target.parent)


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
