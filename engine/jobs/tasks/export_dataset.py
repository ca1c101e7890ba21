"""``export_dataset``: a dataset as one ZIP in a form that other programs read."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import RequestError
from engine.jobs.task import Need, Payload, Task
from engine.settings import Settings

__all__ = ["EXPORT_DATASET"]

_DEFAULTS: Final[dict[str, Any]] = {"dataset": "", "form": "medseg", "labels": ""}
_LABELS: Final = ("", "masks", "cells")
_PICTURE_MB: Final = 600.0  # the largest picture and its mask, decoded


def _checked(payload: Payload) -> dict[str, Any]:
    """Return the payload with its defaults."""
    from engine.datasets.forms import form_named

    if unknown := sorted(set(payload) - set(_DEFAULTS)):
        raise RequestError(
            f"export_dataset takes {', '.join(_DEFAULTS)}, but {', '.join(unknown)[:80]} came."
        )
    whole = {**_DEFAULTS, **payload}
    if not isinstance(whole["dataset"], str) or not 0 < len(whole["dataset"]) <= 128:
        raise RequestError("'dataset' must be the id of a dataset; send it as a text.")
    form_named(str(whole["form"]))
    if whole["labels"] not in _LABELS:
        raise RequestError(
            f"'labels' must be masks or cells, or empty for what there is, but is "
            f"{str(whole['labels'])[:40]!r}."
        )
    return whole


def _forecast(payload: Payload, settings: Settings) -> Need:  # noqa: ARG001 – a forecast's form
    return Need(memory_mb=_PICTURE_MB)


EXPORT_DATASET: Final = Task(
    name="export_dataset",
    title="Export a dataset",
    description="Writes a dataset's pictures and labels as one ZIP, in one of the usual forms.",
    run="engine.catalogue.exporting:export_dataset",
    action="datasets.view",
    check=_checked,
    forecast=_forecast,
)
