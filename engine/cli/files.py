"""``lightbox files``: list what is stored, verify it, and remove what nothing needs."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from engine.cli.command import OUR_FAULT, Command, print_json
from engine.cli.progress import ProgressLine
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.jobs.upkeep import Verified

__all__ = ["FILES"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    listing = steps.add_parser("list", help="list every stored file")
    verify = steps.add_parser(
        "verify", help="compare every file with its name, and find missing ones; exit code 1 if so"
    )
    collect = steps.add_parser("collect", help="list the files that no record names any more")
    collect.add_argument("--remove", action="store_true", help="remove them, not only list them")
    collect.add_argument(
        "--hours",
        type=float,
        default=1.0,
        metavar="N",
        help="leave alone what was put in the last N hours (default: 1)",
    )
    collect.add_argument(
        "--everything",
        action="store_true",
        help="also when no record names any of many files: lost records look like that",
    )
    for step in (listing, verify, collect):
        step.add_argument("--json", action="store_true", help="print one JSON document")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    steps = {"list": _list, "verify": _verify, "collect": _collect}
    return steps[options.step](options, settings)


def _list(options: argparse.Namespace, settings: Settings) -> int:
    from engine.store.files import open_files

    files = open_files(settings)
    rows = [
        {"sha256": file.sha256, "size": file.size, "modified": file.modified.isoformat()}
        for file in files.list()
    ]
    if options.json:
        print_json({"address": files.place.address, "files": rows})
        return 0
    for row in rows:
        print(f"{row['sha256']}  {row['size']:>12}  {row['modified']}")
    total_mb = sum(int(str(row["size"])) for row in rows) / 1e6
    print(f"{len(rows)} files, {total_mb:.1f} MB in {files.place.address}")
    return 0


def _verify(options: argparse.Namespace, settings: Settings) -> int:
    from engine.jobs.upkeep import verify_files
    from engine.store import Store
    from engine.store.files import open_files

    store, files = Store(settings.home / "records"), open_files(settings)
    bad: list[Verified] = []
    total = 0
    line = ProgressLine(is_shown=sys.stderr.isatty())
    for found in verify_files(store, files):
        total = found.total
        line.show(found.number / found.total, f"{found.number} of {found.total} files", 0.0)
        if not found.ok:
            bad.append(found)
    line.clear()
    if options.json:
        rows = [{"sha256": one.sha256, "sentence": one.sentence} for one in bad]
        print_json({"ok": not bad, "files": total, "bad": rows})
    else:
        for one in bad:
            print(one.sentence)
        verdict = f"{len(bad)} of {total} files are damaged or missing." if bad else ""
        print(verdict or f"All {total} files are whole.")
    return OUR_FAULT if bad else 0


def _collect(options: argparse.Namespace, settings: Settings) -> int:
    from engine.jobs.upkeep import collect_files
    from engine.people.actors import SYSTEM
    from engine.store import Store
    from engine.store.files import open_files

    found = collect_files(
        settings,
        Store(settings.home / "records"),
        open_files(settings),
        actor=SYSTEM,
        dry_run=not options.remove,
        older_than_s=options.hours * 3600,
        everything=options.everything,
    )
    if options.json:
        document: dict[str, Any] = dataclasses.asdict(found)
        document["older_than"] = found.older_than.isoformat()
        for row in document["unreferenced"]:
            row["modified"] = row["modified"].isoformat()
        print_json({**document, "sentence": found.sentence})
        return 0
    for file in found.unreferenced:
        print(f"{file.sha256}  {file.size:>12}  {file.modified.isoformat()}")
    print(found.sentence)
    if found.dry_run and found.unreferenced:
        print("Nothing was removed; say --remove to remove them.")
    return 0


FILES = Command(
    name="files",
    help="list, verify and clean up stored files",
    add_options=_add_options,
    run=_run,
)
