"""The last, linear layer of a classifier as plain arrays, for heat maps in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError
from engine.inference import cards, model_files
from engine.inference.cards import ModelCard

__all__ = ["LinearHead", "load_head", "save_head"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LinearHead:
    """``logits = weights @ pooled + bias``: ``weights (K, C) float32``, ``bias (K,) float32``."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __post_init__(self) -> None:
        for array, dimensions in ((self.weights, 2), (self.bias, 1)):
            if array.dtype != np.float32 or array.ndim != dimensions:
                raise ModelError(
                    f"A linear head needs weights (K, C) and bias (K,) in float32, but got "
                    f"{self.weights.shape} {self.weights.dtype} and {self.bias.shape} "
                    f"{self.bias.dtype}; save it with save_head."
                )
        if len(self.weights) != len(self.bias) or not self.weights.size:
            raise ModelError(
                f"A linear head needs as many biases as rows of weights, at least one, but got "
                f"{self.weights.shape} and {self.bias.shape}."
            )
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ModelError("A linear head needs finite weights, but some are NaN or infinite.")


def save_head(path: str | Path, head: LinearHead) -> cards.HeadWeights:
    """Write a head as safetensors; return the card's ``head`` entry for it."""
    from safetensors.numpy import save_file

    target = Path(path)
    tensors = {
        "weight": np.ascontiguousarray(head.weights),
        "bias": np.ascontiguousarray(head.bias),
    }
    save_file(tensors, target)
    return cards.HeadWeights(weights_file=target.name)


def load_head(folder: str | Path, card: ModelCard) -> LinearHead | None:
    """Return the head that the card names, or ``None`` when it names none.

    Raises
    ------
    ModelError
        When the file is damaged, lacks a key, or does not fit the card's classes.
    """
    if card.head is None:
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = model_files.listed_path(model_files.model_folder(folder), card.head.weights_file)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"The file {path.name!r} should hold the head of {card.label!r} as safetensors, but "
            f"it cannot be read ({error}); export the head again."
        ) from error
    for key in (card.head.weights_key, card.head.bias_key):
        if key not in tensors:
            raise ModelError(
                f"The file {path.name!r} should hold {key!r}, but it holds {sorted(tensors)}; "
                f"correct 'head' in card.json."
            )
    weights = tensors[card.head.weights_key].astype(np.float32)
    bias = tensors[card.head.bias_key].astype(np.float32)
    head = LinearHead(weights=weights, bias=bias)
    if len(head.bias) != len(card.classes):
        raise ModelError(
            f"The head of {card.label!r} answers {len(head.bias)} classes, but its card names "
            f"{len(card.classes)}; export head and card together."
        )
    return head
