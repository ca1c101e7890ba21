"""One minus the soft Dice of the classes, over annotated pixels of the whole batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.imaging.masks import NOT_ANNOTATED

__all__ = ["dice_loss"]

_SMOOTH = 1.0


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean over the foreground classes that the batch holds or the network claims.

    Sums run over the whole batch, so that a patch without a class is no special case. Without any
    annotated pixel the loss is 0. Shapes as in
    :func:`engine.training.losses.cross_entropy.cross_entropy`.
    """
    classes = logits.shape[1]
    valid = (target != NOT_ANNOTATED).unsqueeze(1)
    share = torch.softmax(logits.float(), dim=1) * valid
    known = torch.where(target == NOT_ANNOTATED, 0, target).long()
    truth = F.one_hot(known, classes).permute(0, 3, 1, 2) * valid  # (N, H, W, K) -> (N, K, H, W)
    over = (0, 2, 3)
    both = (share * truth).sum(over)[1:]
    size = (share.sum(over) + truth.sum(over))[1:]
    dice = (2.0 * both + _SMOOTH) / (size + _SMOOTH)
    return (1.0 - dice).mean()
