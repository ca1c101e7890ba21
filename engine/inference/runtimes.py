"""The seam between a model folder and whatever computes it: OpenVINO on CPU, else torch.

Opening picks a backend by the card's format and the device, fixes thread counts once, and never
talks to a network. Nothing here knows what a model's answers mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, final, get_args

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, MissingBackendError, ModelError
from engine.inference import cards, timings
from engine.inference.cards import InputSpec, ModelCard
from engine.inference.processors import usable_cores

__all__ = [
    "Architectures",
    "Device",
    "ModelFiles",
    "Precision",
    "Runtime",
    "check_batch",
    "check_outputs",
    "open_model",
    "open_runtime",
]

Device = Literal["auto", "cpu", "cuda"]
"""``auto``: CUDA when the model can use it and it is there, else the CPU."""

Precision = Literal["auto", "f32", "bf16"]
"""``auto``: bf16 where it was measured to be faster and to decide alike, else f32."""

Architectures = Mapping[str, Callable[[], object]]
"""Card's ``architecture`` → function that builds the untrained ``torch.nn.Module``."""

_MAX_THREADS: Final = 256


class Runtime(Protocol):
    """A network that is ready to answer, from any number of threads at once.

    ``name`` is the backend (``"openvino"``, ``"torch"``), ``device`` where it computes
    (``"cpu"``, ``"cuda"``) and ``precision`` how (``"f32"``, ``"bf16"``).
    """

    @property
    def name(self) -> str:
        """Backend: ``"openvino"`` or ``"torch"``."""
        ...

    @property
    def device(self) -> str:
        """Where it computes: ``"cpu"`` or ``"cuda"``."""
        ...

    @property
    def precision(self) -> str:
        """Precision of the inner computations: ``"f32"`` or ``"bf16"``."""
        ...

    def run(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Answer a batch.

        Parameters
        ----------
        batch
            ``(N, C, H, W) float32``, normalised as the card says (``inputs.to_batch``), or
            ``(N, 1, I, J, K)`` for a network that takes volumes; any ``N >= 1``.

        Returns
        -------
        One float32 array for each output role of the card, first axis ``N``. The arrays are the
        caller's own.

        Raises
        ------
        InputError
            When the batch is not of the card's shape or type.
        """
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A model folder whose files were checked against its card."""

    folder: Path
    card: ModelCard

    @classmethod
    def load(cls, folder: str | Path) -> ModelFiles:
        """Check a folder.

        Raises
        ------
        ModelError
            As :func:`engine.inference.cards.load`.
        """
        root = Path(folder).expanduser().resolve()
        return cls(folder=root, card=cards.load(root))


def open_runtime(
    model: str | Path | ModelFiles,
    *,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
    architectures: Architectures | None = None,
    probes: NDArray[np.float32] | None = None,
) -> Runtime:
    """Open a model for answering; how long each answer takes is told to :mod:`.timings`.

    Parameters
    ----------
    model
        folder with a card, or the result of :meth:`ModelFiles.load`.
    device, precision
        see ``Device`` and ``Precision``.
    threads
        computing threads; by default the cores that the container may use.
    architectures
        needed for ``safetensors`` folders only.
    probes
        ``(N, C, H, W) float32`` normalised inputs by which f32 and bf16 are compared; by
        default made-up pictures. Real ones make the comparison mean more.

    Raises
    ------
    ModelError
        When the folder is refused, or its files cannot be read as what the card says.
    MissingBackendError
        When the library or the device that was asked for is not there.
    InputError
        When an argument is not one of its values.
    """
    _check_choice("device", device, get_args(Device))
    _check_choice("precision", precision, get_args(Precision))
    cores = _checked_threads(threads)
    files = model if isinstance(model, ModelFiles) else ModelFiles.load(model)
    if files.card.format == "safetensors":
        from engine.inference import torch_runtime  # torch only for those who need it

        opened = torch_runtime.open(
            files.folder,
            files.card,
            device=device,
            precision=precision,
            threads=cores,
            architectures=architectures or {},
        )
        return _TimedRuntime(opened, files.card.label)
    if device == "cuda":
        raise MissingBackendError(
            f"The model {files.card.label!r} is of format {files.card.format!r}, which runs on "
            f"the CPU, but device 'cuda' was asked for; use 'auto', or a safetensors model."
        )
    from engine.inference import openvino_runtime

    opened = openvino_runtime.open(
        files.folder, files.card, precision=precision, threads=cores, probes=probes
    )
    return _TimedRuntime(opened, files.card.label)


def open_model(
    folder: str | Path,
    *,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
    architectures: Architectures | None = None,
    probes: NDArray[np.float32] | None = None,
) -> tuple[ModelCard, Runtime]:
    """Check a model folder and open it; return its card and its runtime.

    Arguments and errors are those of :func:`open_runtime`.
    """
    files = ModelFiles.load(folder)
    runtime = open_runtime(
        files,
        device=device,
        precision=precision,
        threads=threads,
        architectures=architectures,
        probes=probes,
    )
    return files.card, runtime


def check_batch(batch: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    """Return the batch, contiguous, when it fits the card's input.

    Raises
    ------
    InputError
        When shape or type differ.
    """
    fits = (
        isinstance(batch, np.ndarray)
        and batch.dtype == np.float32
        and card.input.takes(batch.shape)
    )
    if not fits:
        came = f"{getattr(batch, 'shape', type(batch).__name__)} {getattr(batch, 'dtype', '')}"
        way = (
            "engine.inference.inputs.to_batch"
            if isinstance(card.input, InputSpec)
            else card.input.normalised_by
        )
        raise InputError(
            f"The model {card.label!r} takes a batch of shape {card.input.written}, but got "
            f"{came.strip()}; prepare it with {way}."
        )
    return np.ascontiguousarray(batch)


def check_outputs(found: Mapping[str, object], card: ModelCard) -> None:
    """Make sure that a network has the outputs that its card names.

    Raises
    ------
    ModelError
        When one is missing.
    """
    missing = [name for name in card.outputs.values() if name not in found]
    if missing:
        raise ModelError(
            f"The card of {card.label!r} names the outputs {missing}, but the network has "
            f"{sorted(found)}; correct 'outputs' in card.json."
        )


@final
class _TimedRuntime:
    """A runtime whose answers are timed under the model's label."""

    def __init__(self, runtime: Runtime, label: str) -> None:
        self._runtime = runtime
        self._label = label

    @property
    def name(self) -> str:
        return self._runtime.name

    @property
    def device(self) -> str:
        return self._runtime.device

    @property
    def precision(self) -> str:
        return self._runtime.precision

    def run(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        with timings.timed(self._label):
            return self._runtime.run(batch)


def _check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{name} should be one of {', '.join(allowed)}, but it is {value!r}.")


def _checked_threads(threads: int | None) -> int:
    if threads is None:
        return usable_cores()
    if (
        isinstance(threads, bool)
        or not isinstance(threads, int)
        or not (1 <= threads <= _MAX_THREADS)
    ):
        raise InputError(
            f"threads should be a whole number from 1 to {_MAX_THREADS}, but it is {threads!r}; "
            f"leave it out to use the cores of this container."
        )
    return threads
