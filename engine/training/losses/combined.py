"""What a training minimises: cross-entropy and Dice together."""

from __future__ import annotations

from torch import Tensor

from engine.training.losses.cross_entropy import cross_entropy
from engine.training.losses.dice import dice_loss

__all__ = ["combined_loss"]


def combined_loss(
    logits: Tensor, target: Tensor, *, weights: Tensor | None = None, focus: float = 0.0
) -> Tensor:
    """Return the sum of both; a batch without annotated pixels gives 0 and no gradient."""
    return cross_entropy(logits, target, weights=weights, focus=focus) + dice_loss(logits, target)
