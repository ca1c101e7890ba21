"""Cross-entropy and its focal form, averaged over annotated pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.imaging.masks import NOT_ANNOTATED

__all__ = ["cross_entropy"]


def cross_entropy(
    logits: Tensor, target: Tensor, *, weights: Tensor | None = None, focus: float = 0.0
) -> Tensor:
    """Return the mean over annotated pixels; 0 where there are none.

    Parameters
    ----------
    logits
        ``(N, K, H, W)``.
    target
        ``(N, H, W)`` class indices, 255 for pixels that nobody annotated.
    weights
        ``(K,)`` weight of each class; the mean divides by the weights of the pixels that count.
    focus
        0 is plain cross-entropy; larger numbers let certain pixels count less (Lin et al. 2017,
        doi:10.1109/ICCV.2017.324).
    """
    each = F.cross_entropy(
        logits.float(), target.long(), weight=weights, ignore_index=NOT_ANNOTATED, reduction="none"
    )
    valid = target != NOT_ANNOTATED
    if focus:
        plain = F.cross_entropy(
            logits.float(), target.long(), ignore_index=NOT_ANNOTATED, reduction="none"
        )
        each = each * (1.0 - torch.exp(-plain)) ** focus
    share = valid.float()
    if weights is not None:
        share = share * weights[target.long().clamp(max=len(weights) - 1)]
    return each.sum() / share.sum().clamp_min(1.0e-6)
