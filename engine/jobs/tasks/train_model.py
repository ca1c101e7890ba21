"""``train_model``: a dataset of pictures with masks becomes a model that segments pictures."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import RequestError
from engine.jobs.task import Need, Payload, Task
from engine.settings import Settings

__all__ = ["TRAIN_MODEL"]

_DEFAULTS: Final[dict[str, Any]] = {"dataset": "", "version": "", "wishes": {}, "name": ""}
_LONGEST: Final = {"dataset": 128, "version": 64, "name": 120}
_USUAL_MB: Final = 2_600.0
_SMALL_MB: Final = 1_500.0


def _checked(payload: Payload) -> dict[str, Any]:
    """Return the payload with its defaults."""
    from engine.training.planning import Wishes

    if unknown := sorted(set(payload) - set(_DEFAULTS)):
        raise RequestError(
            f"train_model takes {', '.join(_DEFAULTS)}, but {', '.join(map(str, unknown))[:80]} "
            "came."
        )
    whole = {**_DEFAULTS, **payload}
    for field, longest in _LONGEST.items():
        value = whole[field]
        if not isinstance(value, str) or len(value) > longest or not value.isprintable():
            raise RequestError(f"'{field}' must be a line of text of at most {longest} letters.")
    if not whole["dataset"]:
        raise RequestError("'dataset' must be the id of a dataset; choose one to learn from.")
    whole["wishes"] = Wishes.from_json(whole["wishes"]).to_json()
    return whole


def _forecast(payload: Payload, settings: Settings) -> Need:  # noqa: ARG001 – a forecast's form
    """Return what the usual plan takes; the training itself plans for the memory that is free."""
    wishes = payload["wishes"]
    patches = int(wishes.get("batch_size", 8)) * (int(wishes.get("patch_px", 256)) / 256) ** 2
    return Need(memory_mb=max(_SMALL_MB, min(_USUAL_MB, 900.0 + 210.0 * patches)))


TRAIN_MODEL: Final = Task(
    name="train_model",
    title="Train a model",
    description="Learns to segment pictures from the masks of a dataset, and measures the result.",
    run="engine.catalogue.trainings.running:train_model",
    action="models.train",
    check=_checked,
    forecast=_forecast,
    resumable=True,
    silence_s=900.0,
)
