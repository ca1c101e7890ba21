"""The task that asks the model of ``LIGHTBOX_MODEL_API_URL`` about a sample."""

from __future__ import annotations

from typing import Final

from engine.jobs.external.payloads import checked_payload
from engine.jobs.task import Need, Payload, Task
from engine.settings import Settings

__all__ = ["EXTERNAL_MODEL"]


def _need(payload: Payload, settings: Settings) -> Need:  # noqa: ARG001 – a forecast's form
    """Return room for the largest picture that is taken: decoded, written anew, sent."""
    return Need(memory_mb=200 + 7.0 * settings.max_megapixels)


EXTERNAL_MODEL: Final = Task(
    name="external_model",
    title="Find cells with the external model",
    description=(
        "Sends the pictures of a sample, one picture (image_id) or an S3 object to the model of "
        "LIGHTBOX_MODEL_API_URL and keeps the cells that it finds."
    ),
    run="engine.jobs.external.asking:run",
    action="samples.add",
    check=checked_payload,
    forecast=_need,
    # Several patient attempts, each of an hour at most, lie inside one step.
    silence_s=4 * 3600.0,
)
