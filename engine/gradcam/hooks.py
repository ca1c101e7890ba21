"""Grad-CAM by automatic differentiation, for any layer of any torch module.

The slow, general way; ``closed_form`` is the fast one where the head allows it. Importing this
module loads torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.errors import InputError
from engine.gradcam.closed_form import normalise

__all__ = ["GradCam", "Target", "best_class", "class_scores"]

Target = Callable[[object], Tensor]
"""Takes what the model returned and gives one score for each picture, ``(N,)``."""


def best_class(output: object) -> Tensor:
    """Score the best class of each picture; for a model that returns logits ``(N, K)``."""
    return _logits(output).max(dim=1).values


def class_scores(classes: Sequence[int]) -> Target:
    """Return a target that scores the given class of each picture.

    The model returns logits ``(N, K)`` and ``classes`` has N items.
    """

    def score(output: object) -> Tensor:
        logits = _logits(output)
        if len(classes) != len(logits) or not all(0 <= c < logits.shape[1] for c in classes):
            raise InputError(
                f"Expected {len(logits)} classes from 0 to {logits.shape[1] - 1}, but got "
                f"{list(classes)}."
            )
        return logits[torch.arange(len(logits)), torch.as_tensor(list(classes))]

    return score


@final
class GradCam:
    """Heat maps of one layer while the ``with`` block lasts.

    ``layer`` must answer with ``(N, C, h, w)``; ``reshape`` turns other answers into that (for
    example the tokens of a transformer). A layer that runs several times in one pass is
    explained at its last run. The hook is removed at the end of the block, after errors too, and
    nothing of a pass is kept after it. The model computes in evaluation mode and gets its former
    mode back; its parameters get no gradients.

    Examples
    --------
    ::

        with GradCam(model, model.features[-1]) as gradcam:
            maps = gradcam(batch, class_scores([2, 0]))
    """

    def __init__(
        self,
        model: nn.Module,
        layer: nn.Module,
        *,
        reshape: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        if all(layer is not part for part in model.modules()):
            raise InputError(
                f"The layer {type(layer).__name__} is not a part of {type(model).__name__}; give "
                f"one of its modules."
            )
        self._model = model
        self._layer = layer
        self._reshape = reshape
        self._hook: torch.utils.hooks.RemovableHandle | None = None
        self._seen: Tensor | None = None

    def __enter__(self) -> Self:
        if self._hook is not None:
            raise InputError("This GradCam is in use already; make another one.")
        self._hook = self._layer.register_forward_hook(self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._hook is not None:
            self._hook.remove()
        self._hook = None
        self._seen = None

    def __call__(self, batch: Tensor, target: Target = best_class) -> NDArray[np.float32]:
        """Return ``(N, h, w) float32`` maps in 0..1, each divided by its largest value.

        ``batch`` is whatever the model takes, usually ``(N, C, H, W)``. A map is all zero when
        nothing speaks for the target.

        Raises
        ------
        InputError
            Outside of the ``with`` block, or when the layer did not run, the target does not
            depend on it, or shapes do not fit.
        """
        if self._hook is None:
            raise InputError("GradCam works inside its `with` block only; enter it first.")
        modes = [(part, part.training) for part in self._model.modules()]
        self._model.eval()
        try:
            with torch.enable_grad():
                score = target(self._model(batch))
                seen, gradient = self._gradient(score, len(batch))
            with torch.no_grad():
                return _weighted_sum(*self._as_maps(seen, gradient))
        finally:
            self._seen = None
            for part, training in modes:
                part.training = training

    def _remember(self, _layer: nn.Module, _given: object, output: object) -> Tensor:
        if not isinstance(output, Tensor):
            raise InputError(
                f"The layer {type(self._layer).__name__} should answer with a tensor, but it "
                f"answers with {type(output).__name__}; choose another layer."
            )
        # With frozen weights nothing before the layer needs gradients, but the layer does.
        self._seen = output if output.requires_grad else output.detach().requires_grad_()
        # A later in-place operation (such as ReLU) works on the copy, not on what we keep.
        return self._seen.clone()

    def _gradient(self, score: Tensor, count: int) -> tuple[Tensor, Tensor]:
        if self._seen is None:
            raise InputError(
                f"The layer {type(self._layer).__name__} did not run in this pass; choose one "
                f"that does."
            )
        if score.shape != (count,):
            raise InputError(
                f"The target should give one score for each of {count} pictures, but it gave "
                f"shape {tuple(score.shape)}."
            )
        if not score.requires_grad:
            raise InputError("The target's score does not depend on the layer; choose another.")
        # Pictures do not influence each other, so the sum's gradient holds each one's own.
        (gradient,) = torch.autograd.grad(score.sum(), self._seen, allow_unused=True)
        if gradient is None:
            raise InputError("The target's score does not depend on the layer; choose another.")
        return self._seen.detach(), gradient

    def _as_maps(self, seen: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        if self._reshape is not None:
            seen, gradient = self._reshape(seen), self._reshape(gradient)
        if seen.ndim != 4:
            raise InputError(
                f"The layer should answer with (N, C, h, w), but it answers with "
                f"{tuple(seen.shape)}; choose another layer or give `reshape`."
            )
        return seen, gradient


def _weighted_sum(features: Tensor, gradient: Tensor) -> NDArray[np.float32]:
    alphas = gradient.mean(dim=(2, 3), keepdim=True)  # (N, C, h, w) -> (N, C, 1, 1)
    maps = (alphas * features).sum(dim=1).float().cpu().numpy()  # -> (N, h, w)
    if not np.isfinite(maps).all():
        raise InputError("Expected finite activations for a heat map, but some are NaN or inf.")
    return normalise(maps)


def _logits(output: object) -> Tensor:
    if not isinstance(output, Tensor) or output.ndim != 2:
        came = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise InputError(
            f"This target needs a model that returns logits (N, K), but it returned {came}; give "
            f"your own target."
        )
    return output
