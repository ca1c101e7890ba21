"""``export_model`` and ``compare_models``: models taken along, and held against each other."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import RequestError
from engine.jobs.task import Need, Payload, Task
from engine.settings import Settings

__all__ = ["COMPARE_MODELS", "EXPORT_MODEL"]

_FORMS: Final = ("bundle", "openvino", "onnx", "safetensors")
_MOST_MODELS: Final = 4


def _checked(payload: Payload) -> dict[str, Any]:
    if unknown := sorted(set(payload) - {"model", "form"}):
        raise RequestError(
            f"export_model takes model and form, but {', '.join(map(str, unknown))[:80]} came."
        )
    form = payload.get("form", "bundle")
    if form not in _FORMS:
        raise RequestError(f"'form' must be one of {', '.join(_FORMS)}, but is {str(form)[:40]!r}.")
    return {"model": _identity(payload.get("model"), "model"), "form": form}


def _checked_comparison(payload: Payload) -> dict[str, Any]:
    if unknown := sorted(set(payload) - {"models", "dataset"}):
        raise RequestError(
            f"compare_models takes models and dataset, but {', '.join(map(str, unknown))[:70]} "
            "came."
        )
    models = payload.get("models")
    if not isinstance(models, list | tuple) or not 2 <= len(set(map(str, models))) <= _MOST_MODELS:
        raise RequestError(f"'models' must name 2 to {_MOST_MODELS} different models to compare.")
    return {
        "models": [_identity(one, "models") for one in dict.fromkeys(models)],
        "dataset": _identity(payload.get("dataset"), "dataset"),
    }


def _identity(value: object, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 128:
        raise RequestError(f"'{name}' must be the id of a record; send it as a text.")
    return value


def _some(payload: Payload, settings: Settings) -> Need:  # noqa: ARG001 – a forecast's form
    return Need(memory_mb=1_200.0)


EXPORT_MODEL: Final = Task(
    name="export_model",
    title="Export a model",
    description="Writes a model as a ZIP: the whole folder, OpenVINO, ONNX, or safetensors.",
    run="engine.catalogue.models.exporting:export_model",
    action="models.view",
    check=_checked,
    forecast=_some,
)

COMPARE_MODELS: Final = Task(
    name="compare_models",
    title="Compare models",
    description="Asks several models about the same held-back pictures and compares their Dice.",
    run="engine.catalogue.models.comparing:compare_models",
    action="models.view",
    check=_checked_comparison,
    forecast=_some,
    resumable=True,
)
