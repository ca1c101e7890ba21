"""What a model said about a stored picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

from engine.store.documents import EMPTY
from engine.store.records.base import Record

__all__ = ["Prediction"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction(Record):
    """One answer of one model about one picture; a newer answer of both takes its place.

    ``image_sha256`` is the file that was looked at. ``mask_sha256`` names a grey PNG of the
    indices of ``classes``, ``uncertainty_sha256`` one of 0 (sure) to 255, ``probabilities_sha256``
    one of ``(K·H, W)``, a class below the other, ``None`` where the picture is too large to keep
    it. ``doubt`` is the mean uncertainty in 0..1. ``measures`` are areas and objects by class. A
    failed one has a sentence in ``error`` and nothing else.
    """

    model_id: str
    image_id: str
    model: str = ""
    image_sha256: str = ""
    classes: tuple[str, ...] = ()
    status: Literal["completed", "failed"] = "completed"
    error: str = ""
    mask_sha256: str | None = None
    uncertainty_sha256: str | None = None
    probabilities_sha256: str | None = None
    doubt: float = 0.0
    pixel_size_um: float | None = None
    measures: Mapping[str, Any] = field(default=EMPTY, hash=False)
    seconds: float = 0.0
    job_id: str | None = None
    created_by: str = ""
