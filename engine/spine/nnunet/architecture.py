"""The U-Net of a plan as an OpenVINO graph, from tensors named as nnU-Net names them.

The graph ends before nnU-Net's last layer. That layer is linear in each voxel (a 1×1×1
convolution from, say, 32 features to 118 classes), and so is the weighted mean over tiles::

    sum of w·(M·f + b) over tiles  =  M·(sum of w·f) + b·(sum of w)

So :mod:`engine.spine.nnunet.prediction` sums features and applies ``M`` and ``b`` once for each
voxel: the same classes win, in a quarter of the memory. A convolution's bias before an instance
norm is left out, because the norm subtracts it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError
from engine.inference.openvino_library import load_openvino
from engine.spine.nnunet.plans import NetworkPlan, Plans, Triple

__all__ = ["LastLayer", "build_graph"]

Tensors = Mapping[str, NDArray[np.float32]]
Node = Any
"""An OpenVINO node; the library has no types."""

_SPATIAL: Final = np.array([2, 3, 4])


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class LastLayer:
    """nnU-Net's last layer: ``weights (classes, features)`` and ``bias (classes,)``, float32."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


def build_graph(plans: Plans, tensors: Tensors) -> tuple[Any, LastLayer]:
    """Return the network up to its last features, and the last layer.

    The graph takes ``(1, 1, Z, Y, X) float32`` of the plan's patch, normalised, and gives
    ``(1, features, Z, Y, X) float32``.

    Raises
    ------
    ModelError
        When a tensor is missing, is left over, or has another shape than the plan says.
    """
    openvino = load_openvino()
    builder = _Builder(plans.network, tensors)
    inputs = builder.op.parameter([1, 1, *plans.patch], np.float32, name="ct")
    features = builder.features(inputs)
    last = builder.last_layer(classes=len(plans.labels))
    builder.require_all_used()
    result = builder.op.result(features, name="features")
    return openvino.Model([result], [inputs], plans.dataset), last


@final
class _Builder:
    """Adds layers to a graph and keeps account of the tensors that were used."""

    def __init__(self, plan: NetworkPlan, tensors: Tensors) -> None:
        self.op = load_openvino().opset13
        self._plan = plan
        self._tensors = tensors
        self._used: set[str] = set()

    def features(self, x: Node) -> Node:
        """Build encoder and decoder."""
        plan = self._plan
        stages = len(plan.features)
        skips, channels = [], 1
        for stage, wide in enumerate(plan.features):
            for index in range(plan.convolutions[stage]):
                x = self._block(
                    x,
                    f"encoder.stages.{stage}.0.convs.{index}",
                    shape=(wide, channels, *plan.kernels[stage]),
                    stride=plan.strides[stage] if index == 0 else (1, 1, 1),
                )
                channels = wide
            skips.append(x)
        for step in range(stages - 1):
            stage = stages - 2 - step
            wide = plan.features[stage]
            x = self._upsampled(
                x,
                f"decoder.transpconvs.{step}",
                shape=(plan.features[stage + 1], wide, *plan.strides[stage + 1]),
            )
            x = self.op.concat([x, skips[stage]], axis=1)
            channels = 2 * wide
            for index in range(plan.decoder_convolutions[step]):
                x = self._block(
                    x,
                    f"decoder.stages.{step}.convs.{index}",
                    shape=(wide, channels, *plan.kernels[stage]),
                    stride=(1, 1, 1),
                )
                channels = wide
        return x

    def last_layer(self, *, classes: int) -> LastLayer:
        """Read the layer at full resolution; those of other resolutions served the training."""
        last = len(self._plan.features) - 2
        wide = self._plan.features[0]
        name = f"decoder.seg_layers.{last}"
        weights = self._tensor(f"{name}.weight", (classes, wide, 1, 1, 1))
        bias = self._tensor(f"{name}.bias", (classes,))
        return LastLayer(weights=weights.reshape(classes, wide), bias=bias)

    def require_all_used(self) -> None:
        """Refuse a file with layers that the plan does not speak of: it is another network."""
        left = sorted(
            name
            for name in self._tensors
            if name not in self._used and not name.startswith("decoder.seg_layers.")
        )
        if left:
            raise ModelError(
                f"Expected only the tensors of the network in plans.json, but {len(left)} are left "
                f"over, such as {left[0]!r}; plans and checkpoint belong to different networks."
            )

    def _block(self, x: Node, name: str, *, shape: tuple[int, ...], stride: Triple) -> Node:
        """Add convolution, instance norm and leaky rectifier."""
        self._optional(f"{name}.conv.bias", shape[:1])  # the norm takes it out again
        kernel = self._tensor(f"{name}.conv.weight", shape)
        pads = [(side - 1) // 2 for side in shape[2:]]
        x = self.op.convolution(x, self._constant(kernel), list(stride), pads, pads, [1, 1, 1])
        x = self.op.mvn(x, self.op.constant(_SPATIAL), True, self._plan.norm_epsilon, "inside_sqrt")
        scale = self._tensor(f"{name}.norm.weight", shape[:1])
        shift = self._tensor(f"{name}.norm.bias", shape[:1])
        x = self.op.add(self.op.multiply(x, self._per_channel(scale)), self._per_channel(shift))
        return self.op.prelu(x, self._constant(np.array([self._plan.slope], np.float32)))

    def _upsampled(self, x: Node, name: str, *, shape: tuple[int, ...]) -> Node:
        """Add a transposed convolution whose kernel is its stride: no overlap."""
        kernel = self._tensor(f"{name}.weight", shape)
        bias = self._optional(f"{name}.bias", shape[1:2])
        none = [0, 0, 0]
        x = self.op.convolution_backprop_data(
            x,
            self._constant(kernel),
            list(shape[2:]),
            pads_begin=none,
            pads_end=none,
            dilations=[1, 1, 1],
        )
        return x if bias is None else self.op.add(x, self._per_channel(bias))

    def _optional(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
        return self._tensor(name, shape) if name in self._tensors else None

    def _tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        self._used.add(name)
        found = self._tensors.get(name)
        if found is None or found.shape != shape:
            came = "none" if found is None else f"one of {found.shape}"
            raise ModelError(
                f"Expected a tensor {name!r} of shape {shape}, as plans.json says, but got {came}; "
                "plans and checkpoint belong to different networks."
            )
        if not np.isfinite(found).all():
            raise ModelError(
                f"Expected finite numbers in the tensor {name!r}, but some are not; download the "
                "model again."
            )
        return found

    def _constant(self, values: NDArray[np.float32]) -> Node:
        return self.op.constant(np.ascontiguousarray(values, dtype=np.float32))

    def _per_channel(self, values: NDArray[np.float32]) -> Node:
        return self._constant(values.reshape(1, -1, 1, 1, 1))
