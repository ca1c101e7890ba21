"""What a command of the command line is, and how all of them answer."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from engine.settings import Settings

__all__ = ["BAD_INPUT", "OUR_FAULT", "STOPPED", "Command", "Document", "print_json"]

BAD_INPUT, OUR_FAULT, STOPPED = 2, 1, 130
"""Exit codes: the caller sent something unusable, a fault of ours, stopped by Ctrl-C."""

Document = dict[str, Any]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One word after ``lightbox``.

    ``add_options`` declares its arguments; it may add commands below itself (``lightbox store
    check``). ``run`` gets them and returns the exit code; what it needs is imported when it runs,
    so that ``lightbox --help`` stays fast. ``runs_on`` marks a program that works until stopped and
    logs what it does.
    """

    name: str
    help: str
    add_options: Callable[[argparse.ArgumentParser], object]
    run: Callable[[argparse.Namespace, Settings], int]
    runs_on: bool = False


def print_json(document: Document) -> None:
    """Write one document on one line of standard output."""
    print(json.dumps(document, ensure_ascii=False, allow_nan=False))
