"""``lightbox doctor``: what is installed and whether it works."""

from __future__ import annotations

import argparse

from engine.cli.command import OUR_FAULT, Command, print_json
from engine.settings import Settings

__all__ = ["DOCTOR"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from engine import doctor

    report = doctor.diagnose(settings)
    if options.json:
        print_json(report)
    else:
        for check in report["checks"]:
            print(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']}: {check['detail']}")
    return 0 if report["healthy"] else OUR_FAULT


DOCTOR = Command(
    name="doctor",
    help="say what is installed and whether it works",
    add_options=_add_options,
    run=_run,
)
