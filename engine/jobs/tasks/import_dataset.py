"""``import_dataset``: an uploaded file, or one at an address, becomes pictures with masks.

Each picture is stored whole or not at all; what stopped goes on where it was.
"""

from __future__ import annotations

import re
from typing import Any, Final, get_args

from engine.errors import RequestError
from engine.imaging.volumes import Plane
from engine.jobs.task import Need, Payload, Task
from engine.settings import Settings

__all__ = ["IMPORT_DATASET"]

_DEFAULTS: Final[dict[str, Any]] = {
    "file": "",
    "url": "",
    "filename": "",
    "name": "",
    "dataset": "",
    "mapping": None,
    "form": "",
    "plane": "axial",
}
_LONGEST: Final = {"filename": 200, "name": 120, "dataset": 64, "form": 40, "url": 4000}
_PICTURE_MB: Final = 700.0  # up to 40 megapixels; before a larger one free memory is asked again


def _checked(payload: Payload) -> dict[str, Any]:
    """Return the payload with its defaults."""
    if unknown := sorted(set(payload) - set(_DEFAULTS)):
        raise RequestError(
            f"import_dataset takes {', '.join(_DEFAULTS)}, but {', '.join(unknown)[:80]} came."
        )
    whole = {**_DEFAULTS, **payload}
    for field, longest in _LONGEST.items():
        if not isinstance(whole[field], str) or len(whole[field]) > longest:
            raise RequestError(f"'{field}' must be a text of at most {longest} letters.")
    if bool(whole["file"]) == bool(whole["url"]):
        raise RequestError(
            "Expected either 'file', the name of a stored file, or 'url', an address; send one."
        )
    if whole["file"] and not re.fullmatch(r"[0-9a-f]{64}", str(whole["file"])):
        raise RequestError("'file' must be the SHA-256 of a stored file, 64 letters 0-9 a-f.")
    if whole["url"] and not whole["url"].lower().startswith(("http://", "https://")):
        raise RequestError("'url' must start with http:// or https://.")
    if whole["plane"] not in get_args(Plane):
        raise RequestError(f"'plane' must be one of {', '.join(get_args(Plane))}.")
    if whole["mapping"] is not None:
        whole["mapping"] = _checked_mapping(whole["mapping"])
    return whole


def _checked_mapping(mapping: object) -> dict[str, str]:
    from engine.datasets.conventions import checked_mapping

    if not isinstance(mapping, dict):
        raise RequestError("'mapping' must be an object from values to states or classes.")
    return checked_mapping(mapping, may_name_classes=True)


def _forecast(payload: Payload, settings: Settings) -> Need:  # noqa: ARG001 – a forecast's form
    return Need(memory_mb=_PICTURE_MB)


IMPORT_DATASET: Final = Task(
    name="import_dataset",
    title="Import a dataset",
    description=(
        "Reads an uploaded ZIP or picture, or one at an address, and stores every picture with "
        "its mask; a report tells what became of each file."
    ),
    run="engine.jobs.importing.running:import_dataset",
    action="datasets.add",
    check=_checked,
    forecast=_forecast,
    resumable=True,
)
