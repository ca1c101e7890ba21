"""What nnU-Net writes beside its weights: ``plans.json`` and ``dataset.json``, read strictly.

Understands one channel of CT, one plain U-Net in three dimensions and ordinary labels, in the
layouts of nnU-Net 2.0 to 2.8. Anything else is refused with a sentence rather than run wrongly.
Arrays of nnU-Net have the axes z, y, x.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, final

from engine.errors import ModelError

__all__ = [
    "CHECKPOINT",
    "DATASET",
    "PLANS",
    "Intensities",
    "NetworkPlan",
    "Plans",
    "Triple",
    "read_plans",
]

Triple = tuple[int, int, int]
"""One whole number for each of z, y, x."""

PLANS: Final = "plans.json"
DATASET: Final = "dataset.json"
CHECKPOINT: Final = "fold_0/checkpoint_final.pth"

_CONFIGURATION: Final = "3d_fullres"
_MAX_STAGES: Final = 10
_MAX_CHANNELS: Final = 4096
_MAX_LABELS: Final = 255
_MAX_SIDE: Final = 512
_MAX_JSON_BYTES: Final = 50_000_000  # dataset.json of some releases lists all training cases
_DEFAULT_SLOPE: Final = 0.01  # torch.nn.LeakyReLU


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Intensities:
    """nnU-Net's CTNormalization: clip to ``low_hu``..``high_hu``, subtract mean, divide by std."""

    low_hu: float
    high_hu: float
    mean_hu: float
    std_hu: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """A plain U-Net: for each stage channels, kernel, stride and number of convolutions.

    The decoder has one stage less; ``decoder_convolutions`` begins at the lowest resolution.
    """

    features: tuple[int, ...]
    kernels: tuple[Triple, ...]
    strides: tuple[Triple, ...]
    convolutions: tuple[int, ...]
    decoder_convolutions: tuple[int, ...]
    norm_epsilon: float
    slope: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """Everything that a prediction needs to know: grid, intensities, patch, network, names.

    ``labels`` has the name of every code from 0, the background, without a gap.
    """

    dataset: str
    spacing_mm: tuple[float, float, float]
    patch: Triple
    intensities: Intensities
    network: NetworkPlan
    labels: Mapping[int, str]


def read_plans(folder: Path) -> Plans:
    """Read a model's folder (``…__nnUNetPlans__3d_fullres``).

    Raises
    ------
    ModelError
        When a file is missing or damaged, or describes something that we do not predict.
    """
    plans = _Document(folder / PLANS)
    dataset = _Document(folder / DATASET)
    configuration = plans.at("configurations", _CONFIGURATION)
    _check_preprocessing(plans, configuration)
    _check_channels(dataset)
    network = _network(configuration)
    patch = configuration.triple("patch_size", most=_MAX_SIDE)
    _check_patch(configuration, patch, network)
    return Plans(
        dataset=str(plans.value("dataset_name")),
        spacing_mm=configuration.spacing("spacing"),
        patch=patch,
        intensities=_intensities(plans),
        network=network,
        labels=_labels(dataset),
    )


@final
class _Document:
    """A part of a JSON file that knows its place, so that every complaint can name it."""

    def __init__(self, path: Path, data: Any = None, place: str = "") -> None:  # noqa: ANN401 – JSON
        self.path = path
        self.place = place
        self.data = _read_json(path) if data is None else data
        if not isinstance(self.data, dict):
            self.refuse("an object with names", self.data)

    def refuse(self, expected: str, came: object, name: str = "") -> NoReturn:
        where = ".".join(part for part in (self.place, name) if part)
        text = f" at {where}" if where else ""
        raise ModelError(
            f"Expected {expected}{text} in {self.path.name} of {self.path.parent}, but got "
            f"{_shown(came)}; use the weights as they were published."
        )

    def value(self, name: str) -> Any:  # noqa: ANN401 – JSON
        if name not in self.data:
            self.refuse(f"an entry {name!r}", "none")
        return self.data[name]

    def at(self, *names: str) -> _Document:
        part = self
        for name in names:
            data = part.value(name)
            if not isinstance(data, dict):
                part.refuse("an object with names", data, name)
            part = _Document(part.path, data, ".".join(p for p in (part.place, name) if p))
        return part

    def number(self, name: str) -> float:
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse("a number", value, name)
        if not math.isfinite(value):
            self.refuse("a finite number", value, name)
        return float(value)

    def whole(self, name: str, *, most: int) -> int:
        value = self.value(name)
        if not _is_whole(value, most):
            self.refuse(f"a whole number from 1 to {most}", value, name)
        return int(value)

    def wholes(self, name: str, *, count: int, most: int) -> tuple[int, ...]:
        value = self.value(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = [value] * count
        is_right = isinstance(value, list) and len(value) == count
        if not is_right or not all(_is_whole(item, most) for item in value):
            self.refuse(f"{count} whole numbers from 1 to {most}", value, name)
        return tuple(value)

    def triple(self, name: str, *, most: int) -> Triple:
        return _as_triple(self.wholes(name, count=3, most=most))

    def triples(self, name: str, *, count: int, most: int) -> tuple[Triple, ...]:
        value = self.value(name)
        if not isinstance(value, list) or len(value) != count:
            self.refuse(f"{count} triples", value, name)
        return tuple(
            _Document(self.path, {name: item}, self.place).triple(name, most=most) for item in value
        )

    def spacing(self, name: str) -> tuple[float, float, float]:
        value = self.value(name)
        if not isinstance(value, list) or len(value) != 3:
            self.refuse("three distances in mm", value, name)
        z, y, x = (_Document(self.path, {name: v}, self.place).number(name) for v in value)
        if min(z, y, x) <= 0:
            self.refuse("three distances above 0 mm", value, name)
        return z, y, x


def _read_json(path: Path) -> Any:  # noqa: ANN401 – JSON
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ModelError(
                f"Expected {path} to have at most {_MAX_JSON_BYTES // 1_000_000} MB, but it has "
                f"{path.stat().st_size // 1_000_000} MB; use the weights as they were published."
            )
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"Expected the file {path.name} in {path.parent}, but it cannot be read "
            f"({error.strerror}); download the model again."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"Expected {path} to be JSON, but it is damaged ({error}); download the model again."
        ) from error


def _check_preprocessing(plans: _Document, configuration: _Document) -> None:
    """Refuse what would change how the CT has to be prepared."""
    if "inherits_from" in configuration.data:
        configuration.refuse("a configuration of its own", configuration.value("inherits_from"))
    schemes = configuration.value("normalization_schemes")
    if schemes != ["CTNormalization"]:
        configuration.refuse("['CTNormalization']", schemes, "normalization_schemes")
    for name in ("transpose_forward", "transpose_backward"):
        if plans.data.get(name, [0, 1, 2]) != [0, 1, 2]:
            plans.refuse("the axes in order, [0, 1, 2]", plans.value(name), name)
    for name in ("previous_stage", "previous_stage_name"):
        if configuration.data.get(name):
            configuration.refuse("no stage before it", configuration.value(name), name)


def _check_channels(dataset: _Document) -> None:
    name = "channel_names" if "channel_names" in dataset.data else "modality"
    channels = dataset.value(name)
    if not isinstance(channels, dict) or len(channels) != 1:
        dataset.refuse("one channel, the CT", channels, name)


def _check_patch(configuration: _Document, patch: Triple, network: NetworkPlan) -> None:
    for axis in range(3):
        step = math.prod(stride[axis] for stride in network.strides)
        if patch[axis] % step:
            configuration.refuse(
                f"sides that are multiples of {step}, as the strides ask", list(patch), "patch_size"
            )


def _intensities(plans: _Document) -> Intensities:
    names = ("foreground_intensity_properties_per_channel",)
    older = "foreground_intensity_properties_by_modality"
    name = older if older in plans.data else names[0]
    found = plans.at(name, "0")
    result = Intensities(
        low_hu=found.number("percentile_00_5"),
        high_hu=found.number("percentile_99_5"),
        mean_hu=found.number("mean"),
        std_hu=found.number("std"),
    )
    if result.low_hu >= result.high_hu or result.std_hu <= 0:
        found.refuse("a range of CT numbers and a spread above 0", found.data)
    return result


def _labels(dataset: _Document) -> dict[int, str]:
    table = dataset.at("labels").data
    codes = sorted(value for value in table.values() if isinstance(value, int))
    if len(codes) != len(table) or codes != list(range(len(table))) or len(table) < 2:
        dataset.refuse("codes 0, 1, 2 … each with one name", table, "labels")
    if len(table) > _MAX_LABELS:
        dataset.refuse(f"at most {_MAX_LABELS} labels", f"{len(table)}", "labels")
    if table.get("background") != 0:
        dataset.refuse("the background as 0", table, "labels")
    return {code: name for name, code in sorted(table.items(), key=lambda item: item[1])}


def _network(configuration: _Document) -> NetworkPlan:
    if "architecture" in configuration.data:
        return _network_of_arguments(configuration.at("architecture"))
    return _network_of_older_plans(configuration)


def _network_of_arguments(architecture: _Document) -> NetworkPlan:
    """Read the layout since nnU-Net 2.4."""
    kind = architecture.value("network_class_name")
    if str(kind).rpartition(".")[2] != "PlainConvUNet":
        architecture.refuse("the network PlainConvUNet", kind, "network_class_name")
    arguments = architecture.at("arch_kwargs")
    for name, ending in (
        ("conv_op", "Conv3d"),
        ("norm_op", "InstanceNorm3d"),
        ("nonlin", "LeakyReLU"),
    ):
        if str(arguments.value(name)).rpartition(".")[2] != ending:
            arguments.refuse(ending, arguments.value(name), name)
    if arguments.data.get("nonlin_first"):
        arguments.refuse("norms before nonlinearities", True, "nonlin_first")
    norm = arguments.at("norm_op_kwargs")
    if norm.value("affine") is not True:
        norm.refuse("norms with scale and shift", norm.value("affine"), "affine")
    nonlin = arguments.data.get("nonlin_kwargs") or {}
    stages = arguments.whole("n_stages", most=_MAX_STAGES)
    return _checked_network(
        arguments,
        NetworkPlan(
            features=arguments.wholes("features_per_stage", count=stages, most=_MAX_CHANNELS),
            kernels=arguments.triples("kernel_sizes", count=stages, most=7),
            strides=arguments.triples("strides", count=stages, most=4),
            convolutions=arguments.wholes("n_conv_per_stage", count=stages, most=10),
            decoder_convolutions=arguments.wholes(
                "n_conv_per_stage_decoder", count=stages - 1, most=10
            ),
            norm_epsilon=norm.number("eps"),
            slope=float(nonlin.get("negative_slope", _DEFAULT_SLOPE)),
        ),
    )


def _network_of_older_plans(configuration: _Document) -> NetworkPlan:
    """Read the layout before nnU-Net 2.4, which the published weights of 2023 have."""
    kind = configuration.value("UNet_class_name")
    if kind != "PlainConvUNet":
        configuration.refuse("the network PlainConvUNet", kind, "UNet_class_name")
    convolutions = configuration.value("n_conv_per_stage_encoder")
    if not isinstance(convolutions, list) or not 1 < len(convolutions) <= _MAX_STAGES:
        configuration.refuse("a number for each stage", convolutions, "n_conv_per_stage_encoder")
    stages = len(convolutions)
    first = configuration.whole("UNet_base_num_features", most=_MAX_CHANNELS)
    most = configuration.whole("unet_max_num_features", most=_MAX_CHANNELS)
    return _checked_network(
        configuration,
        NetworkPlan(
            features=tuple(min(first * 2**stage, most) for stage in range(stages)),
            kernels=configuration.triples("conv_kernel_sizes", count=stages, most=7),
            strides=configuration.triples("pool_op_kernel_sizes", count=stages, most=4),
            convolutions=configuration.wholes("n_conv_per_stage_encoder", count=stages, most=10),
            decoder_convolutions=configuration.wholes(
                "n_conv_per_stage_decoder", count=stages - 1, most=10
            ),
            norm_epsilon=1e-5,
            slope=_DEFAULT_SLOPE,
        ),
    )


def _checked_network(part: _Document, network: NetworkPlan) -> NetworkPlan:
    if len(network.features) < 2:
        part.refuse("at least two stages", len(network.features), "n_stages")
    if network.strides[0] != (1, 1, 1):
        part.refuse("a first stage at full resolution", list(network.strides[0]), "strides")
    even = [kernel for kernel in network.kernels if any(side % 2 == 0 for side in kernel)]
    if even:
        part.refuse("kernels with odd sides", list(even[0]), "kernel_sizes")
    if not 0 < network.norm_epsilon < 1 or not 0 <= network.slope < 1:
        part.refuse("a small norm_epsilon and slope", (network.norm_epsilon, network.slope))
    return network


def _is_whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _as_triple(values: Sequence[int]) -> Triple:
    z, y, x = values
    return z, y, x


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
