"""A converted model, ready to turn tiles into features on this processor.

bf16 wherever the processor has instructions for it: on these networks it was twice as fast as f32
on every such processor that we met, and the decisions stay (see the benchmark ``nnunet_path``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import MissingBackendError, ModelError
from engine.inference.openvino_library import load_openvino
from engine.spine.nnunet.architecture import LastLayer
from engine.spine.nnunet.conversion import ConvertedModel
from engine.spine.nnunet.plans import Triple

__all__ = ["OpenVinoTiles", "has_bf16", "names_bf16"]

_CPU_FLAGS: Final = Path("/proc/cpuinfo")
_BF16_FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16", "avx_ne_convert"})


def has_bf16() -> bool:
    """Tell whether the processor has bf16 instructions.

    Raises
    ------
    MissingBackendError
        When OpenVINO is not installed.
    """
    core = load_openvino().Core()
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def names_bf16(flags: Path = _CPU_FLAGS) -> bool:
    """Tell whether the system lists bf16 instructions: for a forecast, without loading OpenVINO."""
    try:
        return not _BF16_FLAGS.isdisjoint(
            flags.read_text(encoding="ascii", errors="replace").split()
        )
    except OSError:  # another system than Linux
        return False


@final
class OpenVinoTiles:
    """A network that computes tiles, one at a time."""

    def __init__(
        self, model: ConvertedModel, *, precision: Literal["auto", "f32", "bf16"], threads: int
    ) -> None:
        """Compile the model.

        Raises
        ------
        ModelError
            When OpenVINO cannot read the files.
        MissingBackendError
            When OpenVINO is missing, or bf16 was asked for on a processor without it.
        """
        if precision == "bf16" and not has_bf16():
            raise MissingBackendError(
                "Precision 'bf16' was asked for, but this processor has no bf16 instructions; use "
                "'auto' or 'f32'."
            )
        self._precision = ("bf16" if has_bf16() else "f32") if precision == "auto" else precision
        self._model = model
        self._request = _compiled(model, precision=self._precision, threads=threads)

    @property
    def patch(self) -> Triple:
        """Sides of a tile: z, y, x."""
        return self._model.plans.patch

    @property
    def last_layer(self) -> LastLayer:
        """From features to classes."""
        return self._model.last_layer

    @property
    def precision(self) -> str:
        """``"bf16"`` or ``"f32"``."""
        return self._precision

    def features(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return ``(features, Z, Y, X)`` of a tile ``(Z, Y, X)``; valid until the next call."""
        batch = np.ascontiguousarray(tile)[None, None]
        self._request.infer({0: batch}, share_inputs=True)
        answer: NDArray[np.float32] = self._request.get_output_tensor(0).data[0]
        return answer


def _compiled(model: ConvertedModel, *, precision: str, threads: int) -> Any:  # noqa: ANN401 – openvino has no types
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
        # Pinned threads fight with the server's other threads for the same core.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        compiled = load_openvino().Core().compile_model(str(model.graph), "CPU", options)
    except RuntimeError as error:
        raise ModelError(
            f"Expected a converted model in {model.folder}, but OpenVINO cannot use it "
            f"({str(error).strip().splitlines()[-1][:200]}); remove the folder, it is made again "
            "from the weights."
        ) from error
    return compiled.create_infer_request()
