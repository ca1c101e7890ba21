"""Whether a model of masks may compute in bf16: measured once in a process for each model.

The general rule of :mod:`engine.inference.openvino_runtime` looks at the worst of all answers. A
mask has an answer for every pixel, and right on a border the smallest difference turns some of
them; what counts is how many.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import MissingBackendError
from engine.inference.processors import usable_cores

if TYPE_CHECKING:
    from engine.inference.runtimes import ModelFiles, Precision, Runtime
    from engine.segmentation.normalising import Normalisation

__all__ = ["MaskTrial", "compare_masks", "precision_for"]

_MIN_SPEED_UP: Final = 1.15
_MOST_TURNED: Final = 0.005
_LARGEST_SHIFT: Final = 0.01
_TIE: Final = 0.03
_PROBE_PX: Final = 256
_TIMED_RUNS: Final = 3
_log = logging.getLogger(__name__)
_trials: dict[tuple[object, ...], MaskTrial] = {}
_measuring = threading.Lock()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MaskTrial:
    """f32 and bf16 on the same pictures.

    ``f32_ms`` and ``bf16_ms`` are the shortest of several runs; ``turned`` is the share of pixels
    whose class differs, ties within 0.03 of probability excepted; ``shift`` is the mean difference
    of probabilities, 0..1.
    """

    f32_ms: float
    bf16_ms: float
    turned: float
    shift: float

    @property
    def choice(self) -> Precision:
        """``"bf16"`` when it is faster by 15 % and at most one pixel in 200 turns."""
        agrees = self.turned <= _MOST_TURNED and self.shift <= _LARGEST_SHIFT
        return "bf16" if agrees and self.f32_ms >= _MIN_SPEED_UP * self.bf16_ms else "f32"


def precision_for(
    files: ModelFiles, normalisation: Normalisation, *, threads: int | None = None
) -> Precision:
    """Return ``"bf16"`` where it is faster and gives the same masks, else ``"f32"``.

    Raises
    ------
    ModelError
        When the model cannot be read.
    MissingBackendError
        When OpenVINO is not installed.
    """
    from engine.inference import openvino_runtime

    if files.card.format == "safetensors":
        return "f32"
    cores = usable_cores() if threads is None else threads
    key = (*sorted(files.card.files.items()), cores)
    with _measuring:  # two measurements side by side would disturb each other
        if key not in _trials:
            exact = openvino_runtime.open(files.folder, files.card, precision="f32", threads=cores)
            try:
                short = openvino_runtime.open(
                    files.folder, files.card, precision="bf16", threads=cores
                )
            except MissingBackendError:  # a processor without it
                return "f32"
            probes = _probes(normalisation, _side(files.card.input))
            _trials[key] = compare_masks(exact, short, probes, files.card.temperature)
            _log.info("%s: %s", files.card.label, _trials[key])
        return _trials[key].choice


def compare_masks(
    exact: Runtime, short: Runtime, probes: NDArray[np.float32], temperature: float
) -> MaskTrial:
    """Run both on the same ``probes`` ``(N, 3, H, W)``, in turn so that other load hits both."""
    before, after = (
        _shares(runtime.run(probes)["logits"], temperature) for runtime in (exact, short)
    )
    times: dict[str, list[float]] = {"exact": [], "short": []}
    for _ in range(_TIMED_RUNS):
        for kind, runtime in (("exact", exact), ("short", short)):
            began = time.perf_counter()
            runtime.run(probes)
            times[kind].append((time.perf_counter() - began) * 1000)
    picked = np.take_along_axis(before, after.argmax(axis=1, keepdims=True), axis=1)
    turned = before.max(axis=1, keepdims=True) - picked > _TIE
    return MaskTrial(
        f32_ms=min(times["exact"]),
        bf16_ms=min(times["short"]),
        turned=float(turned.mean()),
        shift=float(np.abs(before - after).mean()),
    )


def _side(spec: object) -> int:
    """Return the side of a probe that the network takes."""
    multiple = int(getattr(spec, "side_multiple", 1))
    largest = int(getattr(spec, "largest_side", _PROBE_PX))
    return max(multiple, min(_PROBE_PX, largest) // multiple * multiple)


def _probes(normalisation: Normalisation, side: int) -> NDArray[np.float32]:
    """Return drawn tissue, bright and turned dark as under fluorescence: ``(2, 3, side, side)``."""
    from engine.imaging.drawn_tissue import draw_tissue
    from engine.segmentation.normalising import normalise

    bright = draw_tissue(0, side_px=max(64, side)).picture[:side, :side]
    pictures = (bright, 255 - bright)
    return np.stack([normalise(one, normalisation.measure(one)) for one in pictures])


def _shares(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    scores = logits / np.float32(temperature)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return shares
