"""Which places of a picture speak for a class in a region: Grad-CAM for segmentation.

The score is the mean of the class's logits over the region (K. Vinogradova et al., *Towards
interpretable semantic segmentation via gradient-weighted class activation mapping*, AAAI 2020,
arXiv:2002.11434). Importing this module loads torch; answering does not need it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.errors import InputError
from engine.gradcam import checks
from engine.gradcam.checks import Judgement
from engine.gradcam.closed_form import upsample
from engine.gradcam.hooks import GradCam, Target
from engine.segmentation.normalising import Levels, Normalisation, normalise

__all__ = ["Explanation", "Window", "explain", "window_around"]

_LARGEST_PX: Final = 768
_MARGIN_PX: Final = 64
_STEPS: Final = 6
_SEED: Final = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The part of a picture that is explained, in its pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Rows and columns."""
        rows = slice(self.top, self.top + self.height)
        return rows, slice(self.left, self.left + self.width)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Explanation:
    """A heat map ``(h, w) float32`` in 0..1 of ``window``, and what it is worth.

    ``inside``: share of the heat within the region, 0..1. ``probability``: mean probability of
    the class over the region. ``effect``: how much more it depends on the marked places than on
    any others (:class:`engine.gradcam.checks.DeletionInsertion`). ``random_similarity``: how much
    the map resembles that of the same network with shuffled weights, 0..1.
    """

    heat: NDArray[np.float32]
    window: Window
    class_index: int
    inside: float
    probability: float
    effect: float
    random_similarity: float
    judgement: Judgement


def explain(
    module: nn.Module,
    layer: str,
    picture: NDArray[np.uint8],
    class_index: int,
    *,
    normalisation: Normalisation,
    region: NDArray[np.bool_] | None = None,
    multiple: int = 32,
    temperature: float = 1.0,
) -> Explanation:
    """Explain why a network sees a class in a region.

    Parameters
    ----------
    module
        the network with its trained weights: ``(N, 3, H, W)`` to logits ``(N, K, H, W)``. It
        keeps its mode and gets no gradients.
    layer
        name of the part whose answer ``(N, C, h, w)`` is weighed, as ``module.get_submodule``
        knows it; the card says a good one in ``details.layers.gradcam``.
    picture
        ``(H, W, 3) uint8``. Around the region at most 768 pixels a side are looked at.
    class_index
        the class that is explained.
    normalisation
        how the model's pictures are normalised; measured over the whole picture.
    region
        ``(H, W)``: the pixels that are asked about; None: the whole picture.
    multiple
        what the network's sides must be multiples of.
    temperature
        that of the card.

    Raises
    ------
    InputError
        When picture, region, class or layer do not fit.
    """
    _check(picture, region)
    levels = normalisation.measure(picture)
    asked = np.ones(picture.shape[:2], bool) if region is None else region
    window = window_around(asked, multiple=multiple)
    crop, wanted = picture[window.part], asked[window.part]
    network = _Network(module, levels, multiple=multiple, temperature=temperature)
    target = network.target(class_index, wanted)
    small = _heat(network, layer, crop, target)
    other = _heat(network.shuffled(), layer, crop, target)
    heat = np.clip(upsample(small[None], network.padded(crop).shape[:2])[0], 0, 1)
    heat = heat[: window.height, : window.width]
    tested = checks.deletion_insertion(
        lambda pictures: network.probability(pictures, class_index, wanted),
        crop,
        heat,
        steps=_STEPS,
    )
    similarity = checks.randomisation_similarity(small, other)
    inside = checks.energy_inside(heat, wanted)
    return Explanation(
        heat=heat,
        window=window,
        class_index=class_index,
        inside=inside,
        probability=tested.full,
        effect=tested.effect,
        random_similarity=similarity,
        judgement=_judged(inside, tested.effect, similarity, is_empty=not heat.any()),
    )


def window_around(region: NDArray[np.bool_], *, multiple: int) -> Window:
    """Return the box around a region with some surroundings, at most 768 pixels a side.

    A larger region is cut to the part around its middle. Corners lie on ``multiple``, so that the
    network pools as it does in the whole picture.

    Raises
    ------
    InputError
        When the region is empty.
    """
    rows, cols = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not rows.size:
        raise InputError("Expected a region with at least one pixel; choose a place to explain.")
    top, bottom = _span(int(rows[0]), int(rows[-1]) + 1, region.shape[0], multiple)
    left, right = _span(int(cols[0]), int(cols[-1]) + 1, region.shape[1], multiple)
    window = Window(left=left, top=top, width=right - left, height=bottom - top)
    if not region[window.part].any():
        raise InputError(
            "The region is too large to be explained at once and has no pixel around its middle; "
            "choose a smaller one."
        )
    return window


def _span(first: int, last: int, length: int, multiple: int) -> tuple[int, int]:
    largest = max(multiple, _LARGEST_PX - _LARGEST_PX % multiple)
    first, last = max(0, first - _MARGIN_PX), min(length, last + _MARGIN_PX)
    if last - first > largest - multiple:
        middle = (first + last) // 2
        first = max(0, middle - (largest - multiple) // 2)
        last = min(length, first + largest - multiple)
    first -= first % multiple
    return first, min(length, first + -(-(last - first) // multiple) * multiple)


@final
class _Network:
    """A torch module that takes pictures of bytes."""

    def __init__(
        self, module: nn.Module, levels: Levels, *, multiple: int, temperature: float
    ) -> None:
        self.module = module
        self._levels = levels
        self._multiple = multiple
        self._temperature = temperature

    def padded(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the picture, mirrored beyond its end up to sides that the network takes."""
        high, wide = (-side % self._multiple for side in picture.shape[:2])
        return np.pad(picture, ((0, high), (0, wide), (0, 0)), mode="symmetric")

    def batch(self, picture: NDArray[np.uint8]) -> Tensor:
        """Return one picture as the module takes it."""
        return torch.from_numpy(normalise(self.padded(picture), self._levels))[None]

    def target(self, class_index: int, region: NDArray[np.bool_]) -> Target:
        """Return the score of a class in a region: the mean of its logits."""
        inside = torch.from_numpy(np.ascontiguousarray(region))

        def score(output: object) -> Tensor:
            logits = _logits(output, class_index)
            part = logits[:, class_index, : inside.shape[0], : inside.shape[1]]
            return part[:, inside].mean(dim=1)

        return score

    def probability(
        self, pictures: NDArray[np.uint8], class_index: int, region: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the mean probability of a class over a region, for each picture."""
        inside = torch.from_numpy(np.ascontiguousarray(region))
        was_training = self.module.training
        self.module.eval()
        try:
            found = []
            for picture in pictures:
                with torch.inference_mode():
                    logits = _logits(self.module(self.batch(picture)), class_index)
                shares = (logits.float() / self._temperature).softmax(dim=1)
                part = shares[0, class_index, : inside.shape[0], : inside.shape[1]]
                found.append(float(part[inside].mean()))
        finally:
            self.module.train(was_training)
        return np.array(found)

    def shuffled(self) -> _Network:
        """Return the same network with the weights of each layer in random places."""
        module = copy.deepcopy(self.module)
        random = torch.Generator().manual_seed(_SEED)
        with torch.no_grad():
            for weights in module.parameters():
                if weights.ndim > 1:
                    places = torch.randperm(weights.numel(), generator=random)
                    weights.copy_(weights.flatten()[places].view_as(weights))
        return _Network(
            module, self._levels, multiple=self._multiple, temperature=self._temperature
        )


def _heat(
    network: _Network, layer: str, picture: NDArray[np.uint8], target: Target
) -> NDArray[np.float32]:
    try:
        part = network.module.get_submodule(layer)
    except AttributeError as error:
        raise InputError(
            f"The network has no part {layer!r}; choose one of those that it names, such as "
            f"{_some_names(network.module)}."
        ) from error
    with GradCam(network.module, part) as gradcam:
        heat: NDArray[np.float32] = gradcam(network.batch(picture), target)[0]
    return heat


def _some_names(module: nn.Module) -> str:
    names = [name for name, part in module.named_modules() if isinstance(part, nn.Conv2d)]
    return ", ".join(repr(name) for name in names[:5]) or "none"


def _logits(output: object, class_index: int) -> Tensor:
    if not isinstance(output, Tensor) or output.ndim != 4:
        raise InputError("Expected a network that answers with logits (N, K, H, W).")
    if not 0 <= class_index < output.shape[1]:
        raise InputError(
            f"Expected a class from 0 to {output.shape[1] - 1}, but got {class_index}."
        )
    return output


def _judged(inside: float, effect: float, similarity: float, *, is_empty: bool) -> Judgement:
    where = f"{round(100 * inside)} % of the heat lies in the region"
    if is_empty:
        reason = "Nothing in the picture speaks for this class here, so there is no heat map."
        return Judgement(verdict="not shown", reason=reason)
    if similarity > checks.MAX_RANDOM_SIMILARITY:
        reason = (
            "This network's map looks much the same with shuffled weights, so it shows the "
            "picture rather than what the network learned."
        )
        return Judgement(verdict="not shown", reason=reason)
    if effect < checks.MIN_EFFECT:
        reason = f"{where}, but hiding the marked places hardly changes the answer."
        return Judgement(verdict="weak", reason=reason)
    reason = f"{where}, and the answer depends on the marked places."
    return Judgement(verdict="supported", reason=reason)


def _check(picture: NDArray[np.uint8], region: NDArray[np.bool_] | None) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise InputError(
            f"Expected a picture (height, width, 3) of uint8, but got {picture.shape} of "
            f"{picture.dtype}."
        )
    if region is not None and (region.shape != picture.shape[:2] or region.dtype != np.bool_):
        raise InputError(
            f"Expected a region {picture.shape[:2]} of bool, but got {region.shape} of "
            f"{region.dtype}."
        )
