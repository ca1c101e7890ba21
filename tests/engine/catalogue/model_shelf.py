"""A few model folders where the register of models would be: what predicting asks of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import NotFoundError
from engine.inference import cards
from engine.people.actors import Actor
from engine.store.records import ModelRecord

__all__ = ["Shelf"]


@dataclass
class Shelf:
    """Models by id; the one that was put there first is in use."""

    folders: dict[str, Path] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)

    def put(self, model_id: str, folder: Path, *, task: str = "segmentation") -> None:
        """Put a folder there."""
        self.folders[model_id], self.tasks[model_id] = folder, task

    def list(self, actor: Actor, task: str = "", stage: str = "") -> tuple[ModelRecord, ...]:
        """Return all of a task."""
        found = [self.get(actor, name) for name in self.folders]
        return tuple(m for m in found if task in ("", m.task) and stage in ("", m.stage))

    def get(self, actor: Actor, model_id: str) -> ModelRecord:
        """Return one."""
        if model_id not in self.folders:
            raise NotFoundError(f"There is no model {model_id!r}.")
        card = cards.load(self.folders[model_id])
        return ModelRecord(
            id=model_id,
            name=card.name,
            task=self.tasks[model_id],
            status="completed",
            stage="active" if model_id == next(iter(self.folders)) else "candidate",
            card=card.to_json(),
        )

    def active(self, task: str = "segmentation") -> ModelRecord | None:
        """Return the first."""
        found = self.list(Actor(id="shelf", name="Shelf", role="ADMIN"), task=task)
        return found[0] if found else None

    def folder(self, actor: Actor, model_id: str) -> Path:
        """Return where it lies."""
        return self.folders[model_id]
