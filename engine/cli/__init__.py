"""The ``lightbox`` command. Exit code 0: done; 2: bad input; 1: our fault; 130: stopped by Ctrl-C.

With ``--json`` one JSON document, and nothing else, goes to standard output. Each command is a
module of this package; :mod:`engine.cli.registered` lists them.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

import engine
from engine.cli.command import BAD_INPUT, OUR_FAULT, STOPPED, Command
from engine.cli.registered import COMMANDS
from engine.errors import InputError, LightboxError
from engine.settings import Settings

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        settings = Settings.from_env()
        logging.basicConfig(
            level=_log_level(command, settings),
            stream=sys.stderr,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
        return command.run(options, settings)
    except LightboxError as error:
        print(f"lightbox: {error}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, InputError) else OUR_FAULT
    except KeyboardInterrupt:
        print("lightbox: stopped", file=sys.stderr)
        return STOPPED


def _log_level(command: Command, settings: Settings) -> str:
    """Return the level: what runs on and on says what it does, others only what goes wrong."""
    is_quiet = not command.runs_on and settings.log_level == "INFO"
    return "WARNING" if is_quiet else settings.log_level


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lightbox",
        description="Medical-imaging demos that run for real. Not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"lightbox {engine.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        own = commands.add_parser(command.name, help=command.help)
        command.add_options(own)
        own.set_defaults(command=command)
    return parser
