"""``lightbox spine``: the vertebrae of a CT."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from engine.cli.command import BAD_INPUT, OUR_FAULT, Command, print_json
from engine.cli.progress import ProgressLine
from engine.errors import InputError, LightboxError
from engine.settings import Settings
from engine.spine.choices import BACKENDS, TASKS

__all__ = ["SPINE"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "ct", type=Path, metavar="CT", help="NIfTI, NRRD, MHA, DICOM file or folder, ZIP"
    )
    parser.add_argument(
        "--backend", default="embedded", choices=BACKENDS, help="who looks for them"
    )
    parser.add_argument(
        "--task", default="total_fast", choices=TASKS, help="weights of the other two backends"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write label map, table, meshes, …")
    parser.add_argument(
        "--no-transitional", action="store_true", help="count on 12 thoracic, 5 lumbar vertebrae"
    )


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from engine.spine import command

    line = ProgressLine(is_shown=sys.stderr.isatty())
    try:
        found = command.detect_file(
            options.ct,
            settings,
            backend=options.backend,
            task=options.task,
            transitional=not options.no_transitional,
            tell=line.show,
        )
        written = command.write_files(found, options.out) if options.out else []
    except LightboxError as error:
        if not options.json:
            raise
        problem = {"code": error.code, "message": str(error)}
        print_json({"file": str(options.ct), "success": False, "error": problem})
        return BAD_INPUT if isinstance(error, InputError) else OUR_FAULT
    finally:
        line.clear()
    document = {"file": str(options.ct), **found.document()}
    if options.json:
        print_json(document)
    else:
        print(command.as_text(document))
        for path in written:
            print(f"wrote {path}")
    return 0


SPINE = Command(
    name="spine", help="find and name the vertebrae in a CT", add_options=_add_options, run=_run
)
