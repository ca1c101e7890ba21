"""What a training tells while it goes: whoever listens draws, stores or prints.

Each event becomes one line of JSON with its ``kind``; paths are relative to the work folder.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, final

from engine.training.planning import Plan

__all__ = [
    "CheckpointSaved",
    "EpochEnded",
    "Evaluating",
    "Event",
    "Finished",
    "Paused",
    "Planned",
    "Prepared",
    "Resumed",
    "SamplesDrawn",
    "StepDone",
    "Stopped",
]


class _AsJson:
    """Gives a record its document."""

    __slots__ = ()
    kind: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON; what is no finite number is ``None``."""
        return {"kind": self.kind, **_finite(asdict(self))}  # type: ignore[call-overload]  # a dataclass


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(_AsJson):
    """``done`` of ``total`` pictures are on the disk; ``name`` is the last one."""

    kind: ClassVar[str] = "prepared"
    done: int
    total: int
    name: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(_AsJson):
    """The plan, the dataset's fingerprint, and how the pictures were dealt."""

    kind: ClassVar[str] = "planned"
    plan: Plan
    fingerprint: dict[str, Any]
    division: str
    parts: dict[str, int]
    resumed_at_step: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON."""
        return {
            "kind": self.kind,
            "plan": self.plan.to_json(),
            "fingerprint": self.fingerprint,
            "division": self.division,
            "parts": self.parts,
            "resumed_at_step": self.resumed_at_step,
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone(_AsJson):
    """A step: its number from 1, ``steps`` as far as they can be told, loss, rate, speed.

    ``pictures_per_s`` counts patches; ``waited_share`` is the part of the time that the network
    waited for patches. ``memory_mb`` is what this process holds.
    """

    kind: ClassVar[str] = "step"
    step: int
    steps: int
    epoch: int
    loss: float
    learning_rate: float
    pictures_per_s: float
    waited_share: float
    memory_mb: float
    elapsed_s: float
    eta_s: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnded(_AsJson):
    """An epoch with its validation; ``best`` says that none was better before."""

    kind: ClassVar[str] = "epoch"
    epoch: int
    epochs: int
    step: int
    train_loss: float
    validation_loss: float
    dice: dict[str, float]
    iou: dict[str, float]
    mean_dice: float
    best: bool
    learning_rate: float
    pictures_per_s: float
    memory_mb: float
    elapsed_s: float
    eta_s: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesDrawn(_AsJson):
    """The same validation pictures again, with what is answered now."""

    kind: ClassVar[str] = "samples"
    epoch: int
    paths: tuple[str, ...]
    names: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(_AsJson):
    """A kill from now on costs nothing before this step."""

    kind: ClassVar[str] = "checkpoint"
    step: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(_AsJson):
    """Somebody asked for a pause; the state is saved."""

    kind: ClassVar[str] = "paused"
    step: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(_AsJson):
    """The pause is over."""

    kind: ClassVar[str] = "resumed"
    step: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(_AsJson):
    """Learning is over before its plan, and why; the best weights are kept."""

    kind: ClassVar[str] = "stopped"
    step: int
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluating(_AsJson):
    """``done`` of ``total`` held-back pictures are measured."""

    kind: ClassVar[str] = "evaluating"
    done: int
    total: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(_AsJson):
    """The model lies in ``folder`` (below the work folder); ``metrics`` is its summary."""

    kind: ClassVar[str] = "finished"
    folder: str
    metrics: dict[str, Any] = field(hash=False)
    elapsed_s: float = 0.0


Event = (
    Prepared
    | Planned
    | StepDone
    | EpochEnded
    | SamplesDrawn
    | CheckpointSaved
    | Paused
    | Resumed
    | Stopped
    | Evaluating
    | Finished
)


def _finite(value: Any) -> Any:  # noqa: ANN401 – JSON
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_finite(item) for item in value]
    return value
