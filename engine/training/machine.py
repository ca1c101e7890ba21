"""What there is to train with at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from engine.inference.processors import usable_cores
from engine.memory_guard import MemoryGuard

__all__ = ["Machine", "this_machine"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Cores, free memory (MB) beyond the floor, and whether bf16 is computed quickly."""

    cores: int
    free_mb: float
    has_bf16: bool


def this_machine(floor_mb: float | None = None) -> Machine:
    """Look at the machine; memory as the container sees it."""
    import torch

    guard = MemoryGuard() if floor_mb is None else MemoryGuard(floor_mb=floor_mb)
    return Machine(
        cores=usable_cores(),
        free_mb=max(0.0, guard.state().available_mb - guard.floor_mb),
        has_bf16=torch.cuda.is_available() or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()),  # noqa: SLF001 – torch has no public way to ask
    )
