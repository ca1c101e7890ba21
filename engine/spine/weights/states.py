"""What is there of each model: the answers of status pages, and of backends that need a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from engine.errors import ModelError
from engine.spine.segmenters import Backend, Task
from engine.spine.weights.catalogue import MODELS, WeightsModel, model_named, models_needed
from engine.spine.weights.folders import (
    downloads_folder,
    faults_of,
    model_folder,
    size_of,
)
from engine.spine.weights.locking import is_downloading, read_note
from engine.spine.weights.manifest import Verification, verify_folder

if TYPE_CHECKING:
    from engine.settings import Settings

__all__ = ["ModelState", "missing_models", "model_path", "models", "verify"]

_State = Literal["installed", "not installed", "incomplete", "downloading"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """What is there of a model.

    ``status``: ``installed``; ``downloading`` (now, by anybody on this machine); ``incomplete``
    (a folder of that name is there, but ``faults`` say what it lacks: a download overwrites it);
    ``not installed``. ``size_mb`` is what the model, or the part of it that came, takes on the
    disk, in 10⁶ bytes. ``path`` is where it lies or will lie.
    """

    model: WeightsModel
    status: _State
    path: Path
    size_mb: float
    faults: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the state as JSON values, with the fields of the older service."""
        return {
            "downloaded": self.status == "installed",
            "size_mb": round(self.size_mb, 1),
            "path": str(self.path),
            "status": self.status,
            "title": self.model.title,
            "faults": list(self.faults),
        }


def models(settings: Settings) -> tuple[ModelState, ...]:
    """Return the state of every model that a backend may use; reads no weights."""
    downloads = downloads_folder(settings)
    now = read_note(downloads).get("name") if is_downloading(downloads) else None
    return tuple(_state(settings, model, is_loading=model.name == now) for model in MODELS)


def model_path(settings: Settings, name: str) -> Path:
    """Return the folder with ``plans.json``, ``dataset.json`` and ``fold_0`` of a whole model.

    Raises
    ------
    RequestError
        When there is no model of that name.
    ModelError
        When it is not installed or not whole; the sentence says how to download it.
    """
    model = model_named(name)
    state = _state(settings, model, is_loading=False)
    if state.status != "installed":
        raise ModelError(_lack(state))
    return state.path / model.inner_folder


def missing_models(settings: Settings, backend: Backend, task: Task) -> str | None:
    """Return a sentence about what a backend lacks for a task; None when all is there."""
    for model in models_needed(backend, task):
        state = _state(settings, model, is_loading=False)
        if state.status != "installed":
            return _lack(state)
    return None


def verify(settings: Settings, name: str) -> Verification:
    """Read every byte of an installed model and compare it with what was installed.

    Raises
    ------
    RequestError
        When there is no model of that name.
    """
    model = model_named(name)
    return verify_folder(model_folder(settings, model), model)


def _state(settings: Settings, model: WeightsModel, *, is_loading: bool) -> ModelState:
    path = model_folder(settings, model)
    if not path.is_dir():
        part = downloads_folder(settings) / f"{model.folder}.zip.part"
        return ModelState(
            model=model,
            status="downloading" if is_loading else "not installed",
            path=path,
            size_mb=part.stat().st_size / 1e6 if part.is_file() else 0.0,
        )
    faults = faults_of(path, model)
    broken: _State = "downloading" if is_loading else "incomplete"
    return ModelState(
        model=model,
        status=broken if faults else "installed",
        path=path,
        size_mb=size_of(path) / 1e6,
        faults=faults,
    )


def _lack(state: ModelState) -> str:
    name = state.model.name
    fault = f" is incomplete ({'; '.join(state.faults)})" if state.faults else " is not installed"
    return (
        f"Expected the model {name} in {state.path}, but it{fault}; download it on the page of "
        f"vertebrae, with POST /api/models/download/{name}, or with "
        f"`python -m engine.spine.weights {name}`."
    )
