"""What a training told, line by line in its job's folder, readable while it is written."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, final

__all__ = ["History", "read_history", "settle"]

_NAME: Final = "history.jsonl"
_STEP_EVERY_S: Final = 2.0


@final
class History:
    """Appends events. Steps are thinned out: one every two seconds is enough for a curve."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / _NAME
        self._step_at = 0.0
        _end_line(self._path)

    def add(self, event: Mapping[str, Any]) -> None:
        """Write one event; it can be read when this returns."""
        if event.get("kind") == "step":
            now = time.monotonic()
            if now - self._step_at < _STEP_EVERY_S:
                return
            self._step_at = now
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n")


def read_history(*folders: Path) -> list[dict[str, Any]]:
    """Return the events in the first of ``folders`` that has any, the oldest first.

    A line that was cut off by a kill is passed over. Epochs that were done again after one count
    once, in their last form.
    """
    for folder in folders:
        with suppress(OSError):
            lines = (folder / _NAME).read_text(encoding="utf-8").splitlines()
            return _once([event for line in lines if (event := _parsed(line)) is not None])
    return []


def settle(work: Path, kept: Path) -> None:
    """Move what people look at from a work folder, which goes, to one that stays."""
    kept.mkdir(parents=True, exist_ok=True)
    for name in (_NAME, "samples"):
        source, target = work / name, kept / name
        if source.exists():
            shutil.rmtree(target, ignore_errors=True)
            target.unlink(missing_ok=True) if target.is_file() else None
            shutil.move(source, target)


def _end_line(path: Path) -> None:
    """Close a line that a kill cut off, so that the next one is whole."""
    with suppress(OSError):
        data = path.read_bytes()
        if data and not data.endswith(b"\n"):
            with path.open("ab") as file:
                file.write(b"\n")


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _once(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    last = {e["epoch"]: at for at, e in enumerate(events) if e.get("kind") == "epoch"}
    return [
        event
        for at, event in enumerate(events)
        if event.get("kind") != "epoch" or last[event["epoch"]] == at
    ]
