"""``lightbox audit``: check the log of who did what, and take a copy of it out."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from engine.cli.command import OUR_FAULT, Command, print_json
from engine.errors import InputError
from engine.settings import Settings

__all__ = ["AUDIT"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    verify = steps.add_parser(
        "verify", help="find lines that were changed, taken out, moved or put in; exit code 1 if so"
    )
    verify.add_argument(
        "--expect",
        default="",
        metavar="COUNT:HASH",
        help="the end that an earlier check printed and that you noted elsewhere",
    )
    verify.add_argument("--json", action="store_true", help="print one JSON document")
    export = steps.add_parser("export", help="write the whole log as CSV or JSON lines")
    export.add_argument("--kind", choices=("csv", "jsonl"), default="csv")
    export.add_argument("--out", type=Path, metavar="FILE", help="standard output if not given")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from engine.people.audit import open_audit

    log = open_audit(settings)
    if options.step == "export":
        return _export(log.export(kind=options.kind), options.out)
    report = log.verify(expected=options.expect)
    if options.json:
        print_json(dataclasses.asdict(report))
    else:
        print(report.sentence)
        if report.head:
            print(f"Its end, to note elsewhere: {report.head}")
    return 0 if report.ok else OUR_FAULT


def _export(content: bytes, path: Path | None) -> int:
    if path is None:
        sys.stdout.buffer.write(content)
        return 0
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(
            f"Expected a file to write at {path}, but it cannot be written ({error.strerror}); "
            "name another."
        ) from error
    return 0


AUDIT = Command(
    name="audit",
    help="check the log of who did what",
    add_options=_add_options,
    run=_run,
)
