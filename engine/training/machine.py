"""What there is to train with at this moment, found out without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from engine.inference.processors import usable_cores
from engine.memory_guard import MemoryGuard, gpu_memory

__all__ = ["Machine", "has_bf16_instructions", "this_machine"]

_CPU_FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Instructions for bf16, as Linux lists them for x86 and ARM."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Cores, free memory (MB) beyond the floor, and whether bf16 is computed quickly."""

    cores: int
    free_mb: float
    has_bf16: bool


def this_machine(floor_mb: float | None = None) -> Machine:
    """Look at the machine; memory as the container sees it."""
    guard = MemoryGuard() if floor_mb is None else MemoryGuard(floor_mb=floor_mb)
    return Machine(
        cores=usable_cores(),
        free_mb=max(0.0, guard.state().available_mb - guard.floor_mb),
        has_bf16=bool(gpu_memory()) or has_bf16_instructions(),
    )


def has_bf16_instructions(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor computes in bf16; False where the system does not tell."""
    try:
        lines = cpu_info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return bool(_CPU_FLAGS & set(flags.partition(":")[2].split()))
