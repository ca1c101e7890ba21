"""``python -m engine.spine.weights [NAME] [--verify]``: list, download or verify models."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from threading import Event
from typing import TextIO

from engine.errors import LightboxError
from engine.settings import Settings
from engine.spine.weights.catalogue import ALIASES, MODELS
from engine.spine.weights.downloading import download
from engine.spine.weights.states import models, verify


def _main(arguments: list[str] | None = None, output: TextIO = sys.stdout) -> int:
    """Return 0 when it was done, 1 when it failed, 2 for a name that is none."""
    names = [*(model.name for model in MODELS), *ALIASES]
    parser = argparse.ArgumentParser(prog="python -m engine.spine.weights", description=__doc__)
    parser.add_argument("name", nargs="?", choices=names, help="download this model")
    parser.add_argument("--verify", action="store_true", help="read every byte of it instead")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_env()
        if options.name is None:
            found = {state.model.name: state.document() for state in models(settings)}
            output.write(json.dumps(found, indent=1) + "\n")
            return 0
        if options.verify:
            return _verify(settings, options.name, output)
        return _download(settings, options.name, output)
    except LightboxError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


def _verify(settings: Settings, name: str, output: TextIO) -> int:
    found = verify(settings, name)
    for fault in found.faults:
        output.write(f"{fault}\n")
    output.write(f"{found.checked} files compared, {len(found.faults)} faults\n")
    return 0 if found.is_whole else 1


def _download(settings: Settings, name: str, output: TextIO) -> int:
    stop = Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    last = ""
    try:
        for report in download(settings, name, stop=stop):
            line = f"{report.status} {100 * report.progress:.0f} % {report.text}"
            if line != last:
                output.write(f"{line}\n")
                output.flush()
            last = line
    finally:
        signal.signal(signal.SIGINT, before)
    return 0 if report.status == "complete" else 1


if __name__ == "__main__":
    sys.exit(_main())
