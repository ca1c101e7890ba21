"""Networks that a training can choose from, by name."""

from __future__ import annotations

from engine.training.architectures.registry import (
    ARCHITECTURES,
    Architecture,
    architecture_named,
    build,
)

__all__ = ["ARCHITECTURES", "Architecture", "architecture_named", "build"]
