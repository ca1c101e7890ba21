"""``predict_pictures`` and ``export_predictions``: a model asked about many pictures."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import RequestError
from engine.jobs.task import Need, Payload, Task
from engine.settings import Settings

__all__ = ["EXPORT_PREDICTIONS", "PREDICT_PICTURES"]

_KNOWN: Final = frozenset({"model", "images", "dataset", "again"})
_MOST_IMAGES: Final = 2_000
_NEED_MB: Final = 1_200.0
_FORMS: Final = ("mask", "classes", "geojson")


def _checked(payload: Payload) -> dict[str, Any]:
    """Return the payload with its defaults."""
    if unknown := sorted(set(payload) - _KNOWN):
        raise RequestError(
            "predict_pictures takes model, images or dataset, and again, but "
            f"{', '.join(map(repr, unknown))[:80]} came."
        )
    model = _identity(payload, "model")
    images, dataset = payload.get("images"), payload.get("dataset")
    if bool(images) == bool(dataset):
        raise RequestError("Expected either 'images' or 'dataset', to say where to look.")
    if not isinstance(payload.get("again", False), bool):
        raise RequestError("'again' must be true or false.")
    again = bool(payload.get("again", False))
    if dataset:
        return {"model": model, "dataset": _identity(payload, "dataset"), "again": again}
    if (
        not isinstance(images, list | tuple)
        or len(images) > _MOST_IMAGES
        or not all(isinstance(name, str) and 0 < len(name) <= 128 for name in images)
    ):
        raise RequestError(
            f"'images' must be a list of 1 to {_MOST_IMAGES:,} ids of pictures; for more, name a "
            "dataset."
        )
    return {"model": model, "images": list(dict.fromkeys(images)), "again": again}


def _checked_export(payload: Payload) -> dict[str, Any]:
    """Return the payload with its defaults."""
    if unknown := sorted(set(payload) - {"model", "dataset", "forms"}):
        raise RequestError(
            f"export_predictions takes model, dataset and forms, but {', '.join(unknown)[:80]} "
            "came."
        )
    forms = payload.get("forms") or list(_FORMS)
    if not isinstance(forms, list | tuple) or not all(isinstance(name, str) for name in forms):
        raise RequestError("'forms' must be a list of names, such as mask, classes and geojson.")
    return {
        "model": _identity(payload, "model"),
        "dataset": _identity(payload, "dataset"),
        "forms": list(dict.fromkeys(forms)),
    }


def _identity(payload: Payload, name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 128:
        raise RequestError(f"'{name}' must be the id of a record; send it as a text.")
    return value


def _forecast(payload: Payload, settings: Settings) -> Need:  # noqa: ARG001 – a forecast's form
    """Return room for the model, a band of tiles and the answer about a very large picture."""
    return Need(memory_mb=_NEED_MB)


PREDICT_PICTURES: Final = Task(
    name="predict_pictures",
    title="Predict pictures",
    description="Asks a model about pictures, or all of a dataset, and keeps each answer.",
    run="engine.catalogue.predicting.batch:predict_pictures",
    action="models.predict",
    check=_checked,
    forecast=_forecast,
    resumable=True,
    silence_s=1_800.0,
)

EXPORT_PREDICTIONS: Final = Task(
    name="export_predictions",
    title="Export answers",
    description="Writes what a model said about the pictures of a dataset as one ZIP.",
    run="engine.catalogue.predicting.batch:export_predictions",
    action="models.predict",
    check=_checked_export,
    forecast=_forecast,
)
