"""What the training makes small: focal loss of the hills, overlap of the boxes."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["box_loss", "heat_loss"]


def heat_loss(logits: Tensor, heat: Tensor, counts: Tensor) -> Tensor:
    """Focal loss for hills (Law & Deng 2018, CornerNet, eq. 1), for each cell, counted places only.

    All are ``(N, C, h, w)``; a place with ``heat`` 1 is a centre, others are discounted by
    ``(1 - heat)^4``.
    """
    logits = logits.float()
    chance = torch.sigmoid(logits)
    centre = (heat >= 1).float()
    hit = -torch.nn.functional.logsigmoid(logits) * (1 - chance) ** 2 * centre
    miss = -torch.nn.functional.logsigmoid(-logits) * chance**2 * (1 - heat) ** 4 * (1 - centre)
    return ((hit + miss) * counts).sum() / centre.sum().clamp_min(1)


def box_loss(sides: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """One minus generalised IoU (Rezatofighi 2019) of boxes around the same point.

    ``sides`` and ``wanted`` are ``(N, 4, h, w)``: left, top, right, bottom distances above zero;
    ``weight`` is ``(N, h, w)``.
    """
    low, high = torch.minimum(sides, wanted), torch.maximum(sides, wanted)
    shared = (low[:, 0] + low[:, 2]) * (low[:, 1] + low[:, 3])
    area = (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])
    area_wanted = (wanted[:, 0] + wanted[:, 2]) * (wanted[:, 1] + wanted[:, 3])
    union = area + area_wanted - shared
    hull = (high[:, 0] + high[:, 2]) * (high[:, 1] + high[:, 3])
    value = shared / union - (hull - union) / hull
    return ((1 - value) * weight).sum() / weight.sum().clamp_min(1)
