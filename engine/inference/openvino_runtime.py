"""Networks on the CPU by OpenVINO: IR and ONNX files, f32 or bf16, any batch size.

Whether bf16 pays is measured when a model is opened, once in a process for each model.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import MissingBackendError, ModelError
from engine.inference import cards, model_files, runtimes
from engine.inference.cards import FreeSizeSpec, InputSpec, ModelCard, VolumeSpec
from engine.inference.openvino_library import is_installed, load_openvino

__all__ = [
    "PrecisionTrial",
    "compare_precisions",
    "forget_trials",
    "is_available",
    "made_up_probes",
    "name",
    "open",
    "requires",
]

name: Final = "openvino"
requires: Final = ("openvino",)

MIN_SPEED_UP: Final = 1.15
"""bf16 must be this much faster than f32: below that, exact answers are worth more."""

MAX_PROBABILITY_SHIFT: Final = 0.03
"""Largest allowed difference of a probability between f32 and bf16, on any probe."""

_TIMED_RUNS: Final = 7
_PROBE_COUNT: Final = 4
_EXTERNAL_ONNX_DATA: Final = b"\x08location"
_log = logging.getLogger(__name__)
_trials: dict[tuple[object, ...], PrecisionTrial] = {}
_opening = threading.Lock()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionTrial:
    """What was measured when f32 and bf16 were compared on the same probes.

    Times are the shortest of several runs of one batch, in ms: other load on the machine only
    ever makes a run longer. ``agrees`` means that each decision is the same, ties
    within ``MAX_PROBABILITY_SHIFT`` excepted, and no probability moved further than that.
    """

    f32_ms: float
    bf16_ms: float
    probability_shift: float
    agrees: bool

    @property
    def choice(self) -> str:
        """``"bf16"`` when it agrees and is faster by ``MIN_SPEED_UP``, else ``"f32"``."""
        return "bf16" if self.agrees and self.f32_ms >= MIN_SPEED_UP * self.bf16_ms else "f32"


def is_available() -> bool:
    """Tell whether OpenVINO is installed."""
    return is_installed()


def forget_trials() -> None:
    """Forget which precision was chosen for which model, so that the next opening measures."""
    _trials.clear()


def open(  # noqa: A001 – every backend module has this name; used as openvino_runtime.open
    folder: Path,
    card: ModelCard,
    *,
    precision: runtimes.Precision,
    threads: int,
    probes: NDArray[np.float32] | None = None,
) -> runtimes.Runtime:
    """Compile a checked folder for the CPU; see ``runtimes.open_runtime``.

    Raises
    ------
    ModelError
        When OpenVINO cannot read the files, or they are not the network of the card.
    MissingBackendError
        When OpenVINO is missing, or bf16 was asked for on a processor without it.
    """
    openvino = load_openvino()
    core = openvino.Core()
    network = _read_network(core, folder, card)
    has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and not has_bf16:
        raise MissingBackendError(
            "Precision 'bf16' was asked for, but this processor has no bf16 instructions; use "
            "'auto' or 'f32'."
        )

    def compiled(kind: str) -> _OpenVinoRuntime:
        return _compile(core, network, card, precision=kind, threads=threads)

    if precision != "auto" or not has_bf16:
        return compiled("f32" if precision == "auto" else precision)
    # One at a time: two measurements side by side would disturb each other.
    with _opening:
        key = (*sorted(card.files.items()), threads)
        if key in _trials and card.files:
            return compiled(_trials[key].choice)
        exact, short = compiled("f32"), compiled("bf16")
        batch = made_up_probes(card.input) if probes is None else probes
        trial = _trials[key] = compare_precisions(exact, short, batch)
    _log.info("%s: %s", card.label, trial)
    return short if trial.choice == "bf16" else exact


def compare_precisions(
    exact: runtimes.Runtime, short: runtimes.Runtime, probes: NDArray[np.float32]
) -> PrecisionTrial:
    """Run both on the same probes, in turn so that other load hits both alike."""
    times: dict[str, list[float]] = {"exact": [], "short": []}
    answers: dict[str, Mapping[str, NDArray[np.float32]]] = {}
    timed = probes[:2]  # two eyes: the batch that most calls have
    for kind, runtime in (("exact", exact), ("short", short)):
        answers[kind] = runtime.run(probes)
        runtime.run(timed)  # first run of a new batch size prepares kernels
    for _ in range(_TIMED_RUNS):
        for kind, runtime in (("exact", exact), ("short", short)):
            start = time.perf_counter()
            runtime.run(timed)
            times[kind].append((time.perf_counter() - start) * 1000)
    shift, alike = _decisions_differ(answers["exact"], answers["short"])
    return PrecisionTrial(
        f32_ms=min(times["exact"]),
        bf16_ms=min(times["short"]),
        probability_shift=shift,
        agrees=alike,
    )


def made_up_probes(spec: InputSpec | FreeSizeSpec | VolumeSpec) -> NDArray[np.float32]:
    """Return ``(4, C, H, W) float32`` pictures in the network's range: smooth to noisy.

    For a network that takes volumes they are ``(2, 1, I, J, K)``, some 64 voxels a side, and for
    pictures of any size ``(2, C, H, W)``, some 256 pixels a side; both in −1..1.
    They are the same on every call.
    """
    random = np.random.default_rng(0)
    if not isinstance(spec, InputSpec):
        wanted = 64 if isinstance(spec, VolumeSpec) else 256
        side = spec.side_multiple * max(1, min(wanted, spec.largest_side) // spec.side_multiple)
        axes = len(spec.shape) - 1
        coarse = random.uniform(-1.0, 1.0, (2, spec.shape[0], *(axes * (-(-side // 4),))))
        for axis in range(2, 2 + axes):
            coarse = coarse.repeat(4, axis=axis)
        cut = (slice(None), slice(None), *(slice(side),) * axes)
        free: NDArray[np.float32] = coarse[cut].astype(np.float32)
        return free
    depth, height, width = spec.shape
    pictures = np.empty((_PROBE_COUNT, depth, height, width))
    for index in range(_PROBE_COUNT):
        cell = max(1, min(height, width) >> (3 - min(index, 3)))
        rows, columns = -(-height // cell), -(-width // cell)
        coarse = random.random((depth, rows, columns))
        grown = coarse.repeat(cell, axis=1).repeat(cell, axis=2)
        pictures[index] = grown[:, :height, :width]
    mean = np.asarray(spec.mean)[:, None, None]
    std = np.asarray(spec.std)[:, None, None]
    normalised: NDArray[np.float32] = ((pictures - mean) / std).astype(np.float32)
    return normalised


@final
class _OpenVinoRuntime:
    """One compiled network and as many infer requests as there were callers at once.

    An infer request serves one caller at a time, so a caller takes one from the pool (or makes
    one) and puts it back. Appending to and popping from a deque is atomic.
    """

    def __init__(self, compiled: Any, card: ModelCard, *, precision: str) -> None:  # noqa: ANN401 – openvino has no types
        self._compiled = compiled
        self._card = card
        self._precision = precision
        self._requests: deque[Any] = deque()

    @property
    def name(self) -> str:
        return name

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def precision(self) -> str:
        return self._precision

    def run(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        checked = runtimes.check_batch(batch, self._card)
        request = self._take_request()
        try:
            request.infer({0: checked}, share_inputs=True)
            # Copied: the tensors belong to the request, which the next caller reuses.
            return {
                role: np.array(request.get_tensor(tensor).data, dtype=np.float32)
                for role, tensor in self._card.outputs.items()
            }
        finally:
            self._requests.append(request)

    def _take_request(self) -> Any:  # noqa: ANN401 – openvino has no types
        try:
            return self._requests.pop()
        except IndexError:
            return self._compiled.create_infer_request()


def _read_network(core: Any, folder: Path, card: ModelCard) -> Any:  # noqa: ANN401 – openvino has no types
    """Read the files as a network with the card's input and any batch size."""
    graph = folder / cards.weights_name(card)
    try:
        if card.format == "openvino":
            weights = model_files.weight_files(card.files, ".bin", card_format=card.format)
            network = core.read_model(str(graph), str(folder / weights))
        else:
            _refuse_external_data(graph)
            network = core.read_model(str(graph))
    except RuntimeError as error:
        raise ModelError(
            f"The file {graph.name!r} of {card.label!r} should be a network in format "
            f"{card.format!r}, but OpenVINO cannot read it ({_first_line(error)}); export it again."
        ) from error
    if len(network.inputs) != 1:
        raise ModelError(
            f"The network of {card.label!r} should have one input, but it has "
            f"{len(network.inputs)}; export it with one picture batch as its only input."
        )
    names = {name for output in network.outputs for name in output.get_names()}
    runtimes.check_outputs(dict.fromkeys(names), card)
    try:
        network.reshape([-1, *card.input.shape])
    except RuntimeError as error:
        raise ModelError(
            f"The network of {card.label!r} cannot take the card's input (N, "
            f"{', '.join(map(str, card.input.shape))}): {_first_line(error)}; correct 'input' in "
            f"card.json, or export the network with a free batch size."
        ) from error
    return network


def _refuse_external_data(graph: Path) -> None:
    """Refuse ONNX files that keep weights in other files, whose paths nobody checked."""
    if _EXTERNAL_ONNX_DATA in graph.read_bytes():
        raise ModelError(
            f"The ONNX file {graph.name!r} keeps weights in other files; export it with all "
            f"weights inside."
        )


def _compile(
    core: Any,  # noqa: ANN401 – openvino has no types
    network: Any,  # noqa: ANN401 – openvino has no types
    card: ModelCard,
    *,
    precision: str,
    threads: int,
) -> _OpenVinoRuntime:
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
        # Pinned threads fight with the server's other threads for the same core.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        compiled = core.compile_model(network, "CPU", options)
    except RuntimeError as error:
        raise ModelError(
            f"The network of {card.label!r} was read, but OpenVINO cannot compile it "
            f"({_first_line(error)}); export it again."
        ) from error
    return _OpenVinoRuntime(compiled, card, precision=precision)


def _decisions_differ(
    exact: Mapping[str, NDArray[np.float32]], short: Mapping[str, NDArray[np.float32]]
) -> tuple[float, bool]:
    """Return the largest shift of a probability and whether all decisions agree.

    Decisions are the largest of the classes (axis 1) of ``logits``, or of the first output.
    """
    role = "logits" if "logits" in exact else next(iter(exact))
    if exact[role].ndim < 2 or exact[role].shape[1] < 2:
        # A single number decides nothing by itself: compare it relative to its own size.
        size = max(float(np.abs(exact[role]).max()), 1e-6)
        shift = float(np.abs(exact[role] - short[role]).max()) / size
        return shift, bool(shift <= MAX_PROBABILITY_SHIFT)
    before, after = _softmax(exact[role]), _softmax(short[role])
    shift = float(np.abs(before - after).max())
    # The class that bf16 picks must be as probable in f32 as the best, up to the allowed shift.
    picked = np.take_along_axis(before, after.argmax(axis=1, keepdims=True), axis=1)
    regret = float((before.max(axis=1, keepdims=True) - picked).max())
    alike = shift <= MAX_PROBABILITY_SHIFT and regret <= MAX_PROBABILITY_SHIFT
    return shift, bool(alike)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = exponents / exponents.sum(axis=1, keepdims=True)
    return result


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
