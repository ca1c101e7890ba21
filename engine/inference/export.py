"""From a trained torch module to the OpenVINO files that ship. Used by training, never serving."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, MissingBackendError, ModelError
from engine.inference.openvino_library import load_openvino

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["MAX_DIFFERENCE", "export_openvino"]

MAX_DIFFERENCE: Final = 1e-3
"""Allowed difference to torch, relative to each output's largest value (f32 weights)."""

_MAX_DIFFERENCE_FP16: Final = 2e-2


def export_openvino(
    module: nn.Module,
    example: NDArray[np.float32],
    folder: str | Path,
    *,
    outputs: Sequence[str],
    input_name: str = "image",
    dynamic_batch: bool = True,
    dynamic_sides: bool = False,
    fp16_weights: bool = False,
    file_name: str = "model",
) -> tuple[str, str]:
    """Write ``<file_name>.xml`` and ``<file_name>.bin`` and check them against the module.

    Parameters
    ----------
    module
        takes one ``(N, C, H, W)`` or ``(N, C, I, J, K)`` tensor; returns a tensor, a tuple in
        the order of ``outputs``, or a mapping with these names.
    example
        ``(N, C, H, W)`` or ``(N, C, I, J, K) float32`` normalised input; real ones make the check
        mean more.
    folder
        made when missing.
    outputs
        names of the output tensors, for the card's ``outputs``.
    input_name
        name of the input tensor.
    dynamic_batch
        leave N free (default), else fix it to the example's.
    dynamic_sides
        leave the sides free too, not only N; the module must not depend on the example's.
    fp16_weights
        store weights in half the space. Computation stays f32 or bf16.
    file_name
        name of the two files without suffix.

    Returns
    -------
    The two file names.

    Raises
    ------
    InputError
        When the example or the names do not fit.
    ModelError
        When OpenVINO cannot convert the module, or answers differently from torch.
    MissingBackendError
        When torch or OpenVINO is not installed.
    """
    if example.ndim not in (4, 5) or example.dtype != np.float32 or not outputs:
        raise InputError(
            f"Expected an example (N, C, H, W) float32 or (N, C, I, J, K) float32 and at least one "
            f"output name, but got {example.shape} {example.dtype} and {list(outputs)}."
        )
    openvino = load_openvino()
    try:
        import torch
    except ImportError as error:
        raise MissingBackendError(
            f"Exporting needs torch, which cannot be imported ({error}); install it with: "
            f"pip install torch."
        ) from error
    was_training = module.training
    module.eval()
    try:
        tensor = torch.tensor(example)
        with torch.no_grad():
            wanted = _as_tuple(module(tensor), outputs)
        network = _converted(openvino, module, tensor, outputs)
    finally:
        module.train(was_training)
    shape = list(example.shape)
    if dynamic_batch:
        shape[0] = -1
    if dynamic_sides:
        shape[2:] = [-1] * (example.ndim - 2)
    network.reshape(shape)
    network.inputs[0].get_tensor().set_names({input_name})
    for output, name in zip(network.outputs, outputs, strict=True):
        output.get_tensor().set_names({name})
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    _save(openvino, network, target, file_name, fp16_weights=fp16_weights)
    graph = target / f"{file_name}.xml"
    _compare(openvino, graph, example, [t.numpy() for t in wanted], outputs, fp16=fp16_weights)
    return graph.name, f"{file_name}.bin"


def _converted(
    openvino: Any,  # noqa: ANN401 – openvino has no types
    module: nn.Module,
    example: Tensor,
    outputs: Sequence[str],
) -> Any:  # noqa: ANN401 – openvino has no types
    from torch import nn

    class AsTuple(nn.Module):
        """Gives tracing a plain tuple, whatever the module returns."""

        def __init__(self) -> None:
            super().__init__()
            self.wrapped = module

        def forward(self, image: Tensor) -> tuple[Tensor, ...]:
            return _as_tuple(self.wrapped(image), outputs)

    try:
        with warnings.catch_warnings():
            # The converter uses torch.jit.trace, which torch has deprecated, and tracing warns
            # about every constant; the comparison with torch afterwards is what counts.
            warnings.simplefilter("ignore")
            return openvino.convert_model(AsTuple().eval(), example_input=example)
    except Exception as error:  # the converter raises whatever tracing raised
        raise ModelError(
            f"OpenVINO cannot convert {type(module).__name__}: {str(error).strip()[:400]}; "
            f"simplify its forward pass."
        ) from error


def _as_tuple(answer: Any, outputs: Sequence[str]) -> tuple[Tensor, ...]:  # noqa: ANN401 – any module
    if isinstance(answer, Mapping):
        missing = [name for name in outputs if name not in answer]
        if missing:
            raise InputError(f"The module returns {sorted(answer)}, but not {missing}.")
        return tuple(answer[name] for name in outputs)
    tensors = tuple(answer) if isinstance(answer, tuple | list) else (answer,)
    if len(tensors) != len(outputs):
        raise InputError(
            f"The module returns {len(tensors)} outputs, but {len(outputs)} names were given: "
            f"{list(outputs)}."
        )
    return tensors


def _save(
    openvino: Any,  # noqa: ANN401 – openvino has no types
    network: Any,  # noqa: ANN401 – openvino has no types
    target: Path,
    file_name: str,
    *,
    fp16_weights: bool,
) -> None:
    """Write to a temporary folder and move the pair, so that no half-written file is seen."""
    with tempfile.TemporaryDirectory(dir=target, prefix=".export-") as work:
        graph = Path(work) / f"{file_name}.xml"
        openvino.save_model(network, str(graph), compress_to_fp16=fp16_weights)
        for path in (graph.with_suffix(".bin"), graph):
            path.replace(target / path.name)


def _compare(
    openvino: Any,  # noqa: ANN401 – openvino has no types
    graph: Path,
    example: NDArray[np.float32],
    wanted: Sequence[NDArray[np.float32]],
    outputs: Sequence[str],
    *,
    fp16: bool,
) -> None:
    compiled = openvino.Core().compile_model(str(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answers = compiled({0: example})
    limit = _MAX_DIFFERENCE_FP16 if fp16 else MAX_DIFFERENCE
    for index, (name, truth) in enumerate(zip(outputs, wanted, strict=True)):
        size = max(float(np.abs(truth).max()), 1e-6)
        difference = float(np.abs(answers[compiled.output(index)] - truth).max()) / size
        if not difference <= limit:
            raise ModelError(
                f"The exported output {name!r} differs from torch by {difference:.2g} of its "
                f"largest value, allowed is {limit:g}; the module uses something that cannot be "
                f"traced, such as a branch on values."
            )
