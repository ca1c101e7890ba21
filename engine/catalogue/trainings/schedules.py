"""Trainings for later: asked for, listed and taken back. The workers' clocks start them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from engine.errors import RequestError
from engine.store import now
from engine.store.records import TrainingSchedule

__all__ = ["Schedule", "when_of"]

Schedule = TrainingSchedule
_FURTHEST: Final = timedelta(days=366)


def when_of(when: object) -> dict[str, Any]:
    """Return the fields of a schedule for what somebody asked for.

    ``{"at": TIME}``, ``{"after_new_masks": N}`` or ``{"after_import": true}``.

    Raises
    ------
    RequestError
        When it is something else, or a time that is over or a year away.
    """
    if not isinstance(when, Mapping) or len(when) != 1:
        raise RequestError(
            "Expected one of {'at': a time}, {'after_new_masks': a number} or "
            "{'after_import': true} to say when to train."
        )
    kind, value = next(iter(when.items()))
    if kind == "at":
        return {"kind": "at", "at": _moment(value)}
    if kind == "after_new_masks":
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100_000:
            raise RequestError(
                f"'after_new_masks' must be a whole number from 1 to 100,000, but is {value!r:.40}."
            )
        return {"kind": kind, "new_masks": value}
    if kind == "after_import" and value is True:
        return {"kind": kind}
    raise RequestError(
        f"'{str(kind)[:40]}' is no way to say when to train; use 'at', 'after_new_masks' or "
        "'after_import'."
    )


def _moment(value: object) -> datetime:
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise RequestError(
            f"'at' must be a time such as 2026-12-24T18:00+01:00, but is {str(value)[:40]!r}."
        ) from error
    if found.tzinfo is None:
        raise RequestError("'at' must name its time zone, such as +00:00 at its end.")
    found = found.astimezone(UTC)
    if not now() < found <= now() + _FURTHEST:
        raise RequestError(f"'at' must be in the coming year, but is {found:%Y-%m-%d %H:%M} UTC.")
    return found
