"""Tasks that look after stored files: are they whole, and which does nothing need any more."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import RequestError
from engine.jobs.task import Payload, Task

__all__ = ["COLLECT_GARBAGE", "VERIFY_FILES"]

_AGE_S: Final = 3600


def _checked(payload: Payload) -> dict[str, Any]:
    unknown = sorted(set(payload) - {"dry_run", "older_than_s"})
    if unknown:
        raise RequestError(
            f"Expected dry_run and older_than_s, but got {', '.join(unknown)[:200]}."
        )
    dry_run, older_than_s = payload.get("dry_run", True), payload.get("older_than_s", _AGE_S)
    if not isinstance(dry_run, bool):
        raise RequestError(f"'dry_run' must be true or false, but is {str(dry_run)[:40]}.")
    is_number = isinstance(older_than_s, int | float) and not isinstance(older_than_s, bool)
    if not is_number or not _AGE_S <= older_than_s <= 10 * 365 * 86400:
        raise RequestError(
            f"'older_than_s' must be a number of seconds from {_AGE_S} (a file just put may get "
            f"its record yet), but is {str(older_than_s)[:40]}."
        )
    return {"dry_run": dry_run, "older_than_s": older_than_s}


VERIFY_FILES: Final = Task(
    name="verify_files",
    title="Verify all files",
    description="Reads every stored file and compares it with its name; finds missing ones too.",
    run="engine.jobs.upkeep:verify",
    action="files.collect",
    resumable=True,
)

COLLECT_GARBAGE: Final = Task(
    name="collect_garbage",
    title="Remove files that nothing needs",
    description="Lists the files that no record names (dry_run), or removes them.",
    run="engine.jobs.upkeep:collect",
    action="files.collect",
    check=_checked,
)
