"""``detect_cells``: find cells in the pictures of a sample, or in one picture."""

from __future__ import annotations

from typing import Any, Final

from engine.cells.detecting import backend_of, parameters_of
from engine.errors import RequestError
from engine.jobs.task import Need, Payload, Task
from engine.settings import Settings

__all__ = ["DETECT_CELLS"]

_KNOWN: Final = frozenset({"sample_id", "sample", "image_id", "image", "backend", "parameters"})


def _checked(payload: Payload) -> dict[str, Any]:
    """Return the payload with its defaults; ``sample`` and ``image`` are taken for their ids."""
    if unknown := sorted(set(payload) - _KNOWN):
        raise RequestError(
            "detect_cells takes sample_id or image_id, backend and parameters, but "
            f"{', '.join(map(repr, unknown))[:80]} came."
        )
    sample = payload.get("sample_id") or payload.get("sample")
    image = payload.get("image_id") or payload.get("image")
    if bool(sample) == bool(image):
        raise RequestError("Expected either 'sample_id' or 'image_id', to say where to look.")
    named = {"sample_id": sample} if sample else {"image_id": image}
    if not all(isinstance(value, str) and len(value) <= 200 for value in named.values()):
        raise RequestError(f"'{next(iter(named))}' must be the id of a record.")
    chosen, values = payload.get("backend", "network"), payload.get("parameters") or {}
    if not isinstance(chosen, str) or not isinstance(values, dict):
        raise RequestError("'backend' must be a text and 'parameters' an object of numbers.")
    backend = backend_of(chosen)
    return {**named, "backend": backend, "parameters": parameters_of(backend, values)}


def _forecast(payload: Payload, settings: Settings) -> Need:  # noqa: ARG001 – a forecast's form
    """Return room for the largest picture that is taken, and for the network."""
    return Need(memory_mb=350 + 9.0 * settings.max_megapixels)


DETECT_CELLS: Final = Task(
    name="detect_cells",
    title="Find cells",
    description="Looks for cells in the pictures of a sample, or in one picture, and keeps them.",
    run="engine.catalogue.cell_detection:run",
    action="cells.detect",
    check=_checked,
    forecast=_forecast,
)
