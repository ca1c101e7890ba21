"""Looks after stored files: what the two tasks and the command line do alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from engine.backups import referenced_files
from engine.errors import DamagedFileError, NotFoundError
from engine.jobs.folders import jobs_home, read_json, write_json
from engine.people.audit import open_audit
from engine.store.files.named import named_files

if TYPE_CHECKING:
    from engine.jobs.context import JobContext
    from engine.people.actors import Actor
    from engine.settings import Settings
    from engine.store import Store
    from engine.store.files import Files, Garbage

__all__ = ["Verified", "collect", "collect_files", "verify", "verify_files"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """One file that was looked at: ``number`` of ``total``; whether it is whole, and a sentence."""

    sha256: str
    ok: bool
    sentence: str
    number: int
    total: int


def collect_files(
    settings: Settings,
    store: Store,
    files: Files,
    *,
    actor: Actor,
    dry_run: bool,
    older_than_s: float,
    everything: bool = False,
    tell: Callable[[float, str], None] = lambda _fraction, _stage: None,
) -> Garbage:
    """Find, and unless ``dry_run`` remove, what no record, backup or checkpoint names.

    The audit log tells who had files removed, and how many.

    Raises
    ------
    RequestError, DamagedStoreError, RemoteError, SettingsError
        As :meth:`engine.store.files.Files.collect`.
    """
    found = files.collect(
        store,
        dry_run=dry_run,
        older_than_s=older_than_s,
        also_kept=referenced_files(settings),
        also_read=(jobs_home(settings),),
        everything=everything,
        tell=tell,
    )
    if not dry_run:
        details = {"removed": found.removed, "bytes": found.freed}
        open_audit(settings).write(actor, "files.collect", text=found.sentence, details=details)
    return found


def verify_files(store: Store, files: Files, *, after: str = "") -> Iterator[Verified]:
    """Yield a finding for each file, in the order of their names: stored, or named and missing.

    ``after`` is the last name of an earlier run that did not come to its end.

    Raises
    ------
    DamagedStoreError, RemoteError, SettingsError
        When the records or the files cannot be read at all.
    """
    stored = {file.sha256 for file in files.list()}
    named = named_files(store)
    every = sorted(stored | named.keys())
    for number, name in enumerate(every, start=1):
        if name <= after:
            continue
        ok, sentence = _look_at(name, files, named_by=named.get(name))
        yield Verified(sha256=name, ok=ok, sentence=sentence, number=number, total=len(every))


def _look_at(name: str, files: Files, *, named_by: str | None) -> tuple[bool, str]:
    try:
        checked = files.verify(name)
    except NotFoundError:
        if named_by is None:  # removed since it was listed
            return True, "removed meanwhile"
        return False, (
            f"Record {named_by} names file {name}, but it is not in {files.place.address}; "
            "restore it from a backup."
        )
    return checked.ok, checked.sentence


def collect(context: JobContext) -> str:
    """Run the task ``collect_garbage``; return the closing sentence."""
    found = collect_files(
        context.settings,
        context.store,
        context.files,
        actor=context.actor,
        dry_run=context.payload["dry_run"],
        older_than_s=context.payload["older_than_s"],
        tell=lambda fraction, stage: context.report(fraction, "Looking for files", stage),
    )
    for file in found.unreferenced:
        context.log(f"{file.sha256}  {file.size} bytes  put {file.modified:%Y-%m-%d %H:%M} UTC")
    return found.sentence


def verify(context: JobContext) -> str:
    """Run the task ``verify_files``; return the closing sentence.

    Raises
    ------
    DamagedFileError
        When a file is damaged or missing; the job's log names each.
    """
    note = context.folder / "verified.json"
    so_far = read_json(note)
    bad: list[str] = list(so_far.get("bad", []))
    total = 0
    for found in verify_files(context.store, context.files, after=str(so_far.get("after", ""))):
        total = found.total
        if not found.ok:
            bad.append(found.sha256)
            context.log(found.sentence)
        # A file is read again rather than the note being written for each of thousands.
        if not found.ok or found.number % 50 == 0:
            write_json(note, {"after": found.sha256, "bad": bad})
        context.report(
            found.number / found.total,
            "Reading files",
            f"{found.number} of {found.total}, {len(bad)} damaged or missing",
        )
    if bad:
        raise DamagedFileError(
            f"{len(bad)} of {total} files are damaged or missing, {bad[0]} first; the log of this "
            "job names each. Put them again, or restore a backup."
        )
    return f"All {total} files are whole."
