"""``lightbox backup``: make, list, check, put back and clear out backups."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.command import BAD_INPUT, Command, Document, print_json
from engine.cli.progress import ProgressLine
from engine.errors import RequestError
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.backups import Backups, Preview
    from engine.backups.progress import Report
    from engine.store.records import BackupRecord

__all__ = ["BACKUP"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    make = steps.add_parser("make", help="make a backup and restore it on trial")
    rows = steps.add_parser("list", help="show all backups, the newest first")
    verify = steps.add_parser("verify", help="read every byte and restore it on trial again")
    restore = steps.add_parser("restore", help="put a backup back, the present state saved first")
    prune = steps.add_parser("prune", help="remove what is older than the settings keep")
    for step in (verify, restore):
        step.add_argument(
            "backup", metavar="BACKUP", help="id, its first letters, 'latest', or a ZIP file"
        )
    restore.add_argument("--yes", action="store_true", help="do not ask")
    for step in (make, rows, verify, restore, prune):
        step.add_argument("--json", action="store_true", help="print one JSON document")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    if options.step == "make":
        return _make(settings, as_json=options.json)
    if options.step == "list":
        return _list(settings, as_json=options.json)
    if options.step == "verify":
        return _verify(settings, options.backup, as_json=options.json)
    if options.step == "prune":
        return _prune(settings, as_json=options.json)
    return _restore(settings, options)


def _make(settings: Settings, *, as_json: bool) -> int:
    with _Progress() as progress:
        record = _backups(settings).make(progress=progress)
    return _say(record, f"Backup {record.id} is good: {_summary(record)}.", as_json=as_json)


def _list(settings: Settings, *, as_json: bool) -> int:
    rows = _backups(settings, looks_only=True).list()
    if as_json:
        print_json({"backups": [_document(record) for record in rows]})
        return 0
    for record in rows:
        moment = f"{record.created_at:%Y-%m-%d %H:%M:%S} UTC"
        print(f"{record.state:10}{moment}  {record.id}  {record.reason}; {_summary(record)}")
        if record.error:
            print(f"          {record.error}")
    if not rows:
        print("No backup yet: lightbox backup make")
    return 0


def _verify(settings: Settings, name: str, *, as_json: bool) -> int:
    backups = _backups(settings, looks_only=True)
    with _Progress() as progress:
        record = backups.verify(_id_of(backups, name), progress=progress)
    return _say(record, f"Backup {record.id} is good: {_summary(record)}.", as_json=as_json)


def _prune(settings: Settings, *, as_json: bool) -> int:
    gone = _backups(settings, looks_only=True).prune()
    if as_json:
        print_json({"removed": [_document(record) for record in gone]})
    else:
        print(f"{len(gone)} backups were removed.")
    return 0


def _restore(settings: Settings, options: argparse.Namespace) -> int:
    from engine.jobs.tasks.backups import running_jobs

    backups = _backups(settings, looks_only=True)
    name, running = _id_of(backups, options.backup), running_jobs(settings)
    if not options.yes and not _agrees(backups.preview(name, running=running)):
        return BAD_INPUT
    with _Progress() as progress:
        done = backups.restore(name, progress=progress, running=running)
    if options.json:
        print_json({**dataclasses.asdict(done), "at": done.at.isoformat()})
    else:
        print(f"Backup {done.backup_id} is back. To undo: lightbox backup restore {done.kept_id}")
    return 0


def _agrees(preview: Preview) -> bool:
    """Say what will be lost and ask."""
    if not sys.stdin.isatty():
        raise RequestError("Nobody can be asked here: say --yes to put the backup back.")
    made = f"{preview.backup.created_at:%Y-%m-%d %H:%M:%S} UTC"
    print(f"Records go back to how they were on {made}. The present state is saved first.")
    for row in preview.lost:
        print(
            f"  {row.collection}: {row.gone:,} go, {row.back:,} come back, "
            f"{row.changed:,} change back"
        )
    if preview.running:
        print(f"  {len(preview.running)} running jobs are stopped")
    return input("Put it back? Type yes: ").strip().lower() == "yes"


def _backups(settings: Settings, *, looks_only: bool = False) -> Backups:
    """Open what backups work with; ``looks_only`` opens records whatever their version is."""
    from engine.backups import Backups, keep_before_migration
    from engine.people.audit import open_audit
    from engine.store import Store
    from engine.store.files import open_files

    store = Store(
        settings.home / "records",
        for_restore=looks_only,
        before_migration=lambda reason: keep_before_migration(settings, reason),
    )
    return Backups(settings, store, open_files(settings), open_audit(settings))


def _id_of(backups: Backups, name: str) -> str:
    """Return the id of a backup, taking a file from elsewhere in first."""
    path = Path(name)
    if path.suffix.lower() == ".zip" or "/" in name:
        return backups.adopt(path).id
    return backups.get(name).id


def _say(record: BackupRecord, sentence: str, *, as_json: bool) -> int:
    if as_json:
        print_json(_document(record))
    else:
        print(sentence)
    return 0


def _summary(record: BackupRecord) -> str:
    files = "with" if record.files_included else "with a list of"
    # The list of backups is in it, too, but nobody thinks of that as theirs.
    records = sum(n for name, n in record.record_counts.items() if name != "backups")
    size_mb = record.size_bytes / 1e6
    return f"records: {records:,}, {files} files: {record.file_count:,}, {size_mb:,.1f} MB"


def _document(record: BackupRecord) -> Document:
    return {
        "id": record.id,
        "created_at": record.created_at.isoformat(),
        "state": record.state,
        "reason": record.reason,
        "file": record.file,
        "size_bytes": record.size_bytes,
        "sha256": record.sha256,
        "records": dict(record.record_counts),
        "file_count": record.file_count,
        "file_bytes": record.file_bytes,
        "files_included": record.files_included,
        "error": record.error,
    }


class _Progress:
    """A progress line on a terminal, wiped at the end."""

    def __init__(self) -> None:
        self._line = ProgressLine(is_shown=sys.stderr.isatty())
        self._began_s = time.monotonic()

    def __enter__(self) -> Report:
        return self._show

    def __exit__(self, *_: object) -> None:
        self._line.clear()

    def _show(self, fraction: float, stage: str) -> None:
        spent_s = time.monotonic() - self._began_s
        self._line.show(fraction, stage, spent_s * (1 - fraction) / max(fraction, 0.01))


BACKUP = Command(
    name="backup",
    help="make, check and put back backups of everything that Lightbox remembers",
    add_options=_add_options,
    run=_run,
)
