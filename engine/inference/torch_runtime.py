"""Networks of our own architectures by torch: safetensors files, on CUDA or on the CPU.

Importing this module loads torch (seconds, hundreds of MB); only ``runtimes`` does so, and only
for a safetensors folder.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.errors import MissingBackendError, ModelError
from engine.inference import cards, runtimes
from engine.inference.cards import ModelCard

__all__ = ["is_available", "name", "open", "requires"]

name: Final = "torch"
requires: Final = ("torch", "safetensors")

_settling = threading.Lock()


def is_available() -> bool:
    """Tell whether torch is there; it is, or this module could not have been imported."""
    return True


def open(  # noqa: A001 – every backend module has this name; used as torch_runtime.open
    folder: Path,
    card: ModelCard,
    *,
    device: runtimes.Device,
    precision: runtimes.Precision,
    threads: int,
    architectures: runtimes.Architectures,
) -> runtimes.Runtime:
    """Build the card's architecture and load its weights; see ``runtimes.open_runtime``.

    ``precision="auto"`` is f32 here.

    Raises
    ------
    ModelError
        When the architecture is unknown or the weights do not fit it.
    MissingBackendError
        When CUDA was asked for and is not there.
    """
    place = _chosen_device(device)
    build = architectures.get(card.architecture)
    if build is None:
        raise ModelError(
            f"The card of {card.label!r} names the architecture {card.architecture!r}, but known "
            f"here are {sorted(architectures)}; give the model as OpenVINO IR or ONNX, which "
            f"carry their architecture."
        )
    module = build()
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"The architecture {card.architecture!r} should build a torch.nn.Module, but it "
            f"built {type(module).__name__}."
        )
    _load_weights(module, folder, card)
    if place.type == "cpu":
        _settle_threads(threads)
    return _TorchRuntime(
        module.eval().requires_grad_(requires_grad=False).to(place),
        card,
        device=place,
        precision="f32" if precision == "auto" else precision,
    )


@final
class _TorchRuntime:
    """A module in evaluation mode. Its forward pass has no state, so callers may overlap."""

    def __init__(
        self, module: nn.Module, card: ModelCard, *, device: torch.device, precision: str
    ) -> None:
        self._module = module
        self._card = card
        self._device = device
        self._precision = precision

    @property
    def name(self) -> str:
        return name

    @property
    def device(self) -> str:
        return self._device.type

    @property
    def precision(self) -> str:
        return self._precision

    def run(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        checked = runtimes.check_batch(batch, self._card)
        short = self._precision == "bf16"
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=short),
        ):
            # Copied: torch would warn about, and could change, a read-only array.
            answer = self._module(torch.tensor(checked, device=self._device))
        named = _named_outputs(answer, self._card)
        return {
            role: named[tensor].float().cpu().numpy().copy()
            for role, tensor in self._card.outputs.items()
        }


def _chosen_device(device: runtimes.Device) -> torch.device:
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise MissingBackendError(
            "Device 'cuda' was asked for, but torch finds no CUDA device; use 'auto' or 'cpu', or "
            "check the driver with nvidia-smi."
        )
    return torch.device("cuda" if has_cuda and device != "cpu" else "cpu")


def _load_weights(module: nn.Module, folder: Path, card: ModelCard) -> None:
    weights = cards.weights_name(card)
    try:
        module.load_state_dict(load_file(folder / weights), strict=True)
    except (RuntimeError, ValueError, OSError, SafetensorError) as error:
        raise ModelError(
            f"The weights in {weights!r} do not fit the architecture {card.architecture!r} of "
            f"{card.label!r}: {str(error).strip()[:400]}; the file or the card is wrong."
        ) from error


def _settle_threads(threads: int) -> None:
    """Set torch's thread count, which is one for the whole process."""
    with _settling:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _named_outputs(answer: object, card: ModelCard) -> Mapping[str, Tensor]:
    """Name what a forward pass returned: a mapping as it is, else in the order of the card."""
    if isinstance(answer, Mapping):
        named = dict(answer)
    else:
        tensors = answer if isinstance(answer, tuple | list) else (answer,)
        named = dict(zip(card.outputs.values(), tensors, strict=False))
    runtimes.check_outputs(named, card)
    return named
