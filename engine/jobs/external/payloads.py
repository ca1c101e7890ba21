"""What may be asked of the external model: the form of the task's payload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.errors import RequestError
from engine.jobs.intake.objects import ObjectName

__all__ = ["checked_payload"]

_IDS: Final = ("sample_id", "image_id", "object")


def checked_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a complete payload: what to ask about, and the least confidence of a cell.

    Raises
    ------
    RequestError
        When it names nothing to ask about, or has an unknown or unusable field.
    """
    unknown = sorted(set(payload) - {*_IDS, "threshold"})
    if unknown:
        raise RequestError(
            f"Expected {', '.join(_IDS)} or threshold, but got {', '.join(unknown)[:200]}."
        )
    given = {name: payload[name] for name in _IDS if payload.get(name) is not None}
    if not given or ("image_id" in given and len(given) > 1):
        raise RequestError(
            "Expected sample_id, image_id or object (s3://BUCKET/KEY) to say what the model is "
            "asked about; object may come with the sample_id that it belongs to."
        )
    for name, value in given.items():
        if not isinstance(value, str) or not 0 < len(value) <= 2000:
            raise RequestError(f"'{name}' must be a text.")
    if "object" in given:
        ObjectName.parse(given["object"])
    return {**given, "threshold": _threshold(payload.get("threshold", 0.5))}


def _threshold(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RequestError(f"'threshold' must be a number in 0..1, but is {str(value)[:40]}.")
    return float(value)
