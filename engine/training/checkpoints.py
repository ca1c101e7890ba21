"""The state of a training on the disk: tensors as safetensors, the rest as JSON beside them.

Two generations are kept. A checkpoint is named by its step, and the note that names it is written
last; so a kill at any moment leaves one that is whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from engine.errors import ModelError
from engine.training.disk import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Checkpoint", "load_checkpoint", "load_weights", "save_checkpoint", "save_weights"]

_NOTE = "checkpoint.json"


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """Tensors by name, and ``notes``: plain JSON about where the training was."""

    tensors: Mapping[str, Tensor]
    notes: Mapping[str, Any]


def save_checkpoint(folder: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Keep a state; ``notes`` must hold its ``step``.

    Raises
    ------
    DiskShortError
        When the disk is full; the checkpoint before stays.
    """
    name = f"step_{int(notes['step']):08}.safetensors"
    save_weights(folder / name, tensors)
    note = folder / _NOTE
    before = _noted(note)
    text = json.dumps({**notes, "file": name}, allow_nan=False).encode()
    write_atomically(note, lambda file: file.write(text))
    kept = {name, *([str(before["file"])] if before else [])}
    for old in folder.glob("step_*.safetensors"):
        if old.name not in kept:
            old.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the newest state, ``None`` where nothing was saved.

    Raises
    ------
    ModelError
        When it was saved and cannot be read.
    """
    notes = _noted(folder / _NOTE)
    if notes is None:
        return None
    path = folder / str(notes["file"])
    return Checkpoint(tensors=load_weights(path), notes=notes)


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as one safetensors file, whole or not at all."""
    from safetensors.torch import save

    data = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    write_atomically(path, lambda file: file.write(data))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises
    ------
    ModelError
        When it is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"The saved weights {path.name} cannot be read ({type(error).__name__}); remove the "
            "work folder and start the training again."
        ) from error


def _noted(path: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        if isinstance(found, dict) and "file" in found:
            return found
    return None
