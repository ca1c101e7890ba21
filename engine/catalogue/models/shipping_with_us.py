"""Models that come with the program: read-only records made from their cards."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from engine.errors import LightboxError
from engine.shipped import shipped
from engine.store.records import ModelRecord

__all__ = ["is_shipped", "shipped_folder", "shipped_models"]

_PREFIX: Final = "shipped-"
_FOLDERS: Final[dict[str, tuple[str, ...]]] = {"shipped-nuclei": ("models", "nuclei")}


def is_shipped(model_id: str) -> bool:
    """Whether the id is that of a model that comes with the program."""
    return model_id in _FOLDERS


def shipped_folder(model_id: str) -> Path:
    """Return where such a model lies.

    Raises
    ------
    MissingBackendError
        When the installation lacks it.
    """
    return shipped(*_FOLDERS[model_id])


def shipped_models() -> tuple[ModelRecord, ...]:
    """Return a record for each model that comes with the program and is whole."""
    found = (_record(model_id) for model_id in _FOLDERS)
    return tuple(one for one in found if one is not None)


@cache
def _record(model_id: str) -> ModelRecord | None:
    from engine.inference import cards

    try:
        card = cards.load(shipped_folder(model_id))
    except LightboxError:  # an incomplete installation: ``lightbox doctor`` tells
        return None
    made = datetime.fromisoformat(card.created)
    return ModelRecord(
        id=model_id,
        name=card.name,
        task=card.task,
        status="completed",
        stage="candidate",
        stage_reason="Comes with Lightbox.",
        metrics=card.metrics,
        card=card.to_json(),
        hyperparameters=_plan_of(card.details),
        code_version=str(card.details.get("lightbox", "")),
        trained_at=made,
        created_at=made,
        created_by="lightbox",
    )


def _plan_of(details: object) -> dict[str, object]:
    plan = details.get("plan") if isinstance(details, dict) else None
    return dict(plan) if isinstance(plan, dict) else {}
