"""``lightbox worker``: runs jobs until it is stopped."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from engine.cli.command import Command
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.jobs.worker import Worker

__all__ = ["WORKER"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--until-empty", action="store_true", help="end when no job waits and none runs"
    )
    parser.add_argument(
        "--supervised",
        action="store_true",
        help="end when standard input ends; lightbox serve uses it",
    )


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from engine.jobs.intake import start_intake
    from engine.jobs.worker import Worker

    worker = Worker(settings)
    if not options.until_empty:
        start_intake(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    if options.supervised:
        threading.Thread(target=_stop_at_the_end_of_input, args=(worker,), daemon=True).start()
    else:
        print("The worker waits for jobs; stop it with Ctrl-C.", file=sys.stderr)
    worker.run(until_empty=options.until_empty)
    return 0


def _stop_at_the_end_of_input(worker: Worker) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        continue
    worker.stop()


WORKER = Command(
    name="worker", help="run jobs until stopped", add_options=_add_options, run=_run, runs_on=True
)
