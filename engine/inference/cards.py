"""Model cards: what a model folder says about itself, and the check that it is true.

A card is ``card.json`` beside the weights. Without a complete card (licence, source, data, input,
classes, checksums) a model is not opened. This module reads no weights; the runtimes do.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeVar, final

from engine.errors import ModelError
from engine.inference import card_fields as fields
from engine.inference import model_files
from engine.inference.input_specs import FreeSizeSpec, InputSpec, VolumeSpec
from engine.inference.model_files import CARD_NAME

__all__ = [
    "CARD_NAME",
    "SCHEMA",
    "Conformal",
    "DataSource",
    "FreeSizeSpec",
    "HeadWeights",
    "InputSpec",
    "ModelCard",
    "ModelFormat",
    "VolumeSpec",
    "load",
    "weights_name",
    "write",
]

SCHEMA: Final = 1
ModelFormat = Literal["openvino", "onnx", "safetensors"]
_FORMATS: Final = ("openvino", "onnx", "safetensors")
_MAX_CARD_BYTES: Final = 1_000_000
_Record = TypeVar("_Record")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HeadWeights:
    """Where the last, linear layer's weights lie, for heat maps in closed form.

    ``weights_file`` is a safetensors file of the folder; it holds ``weights_key`` as ``(K, C)``
    and ``bias_key`` as ``(K,)``.
    """

    weights_file: str
    weights_key: str = "weight"
    bias_key: str = "bias"

    def __post_init__(self) -> None:
        for name in ("weights_file", "weights_key", "bias_key"):
            fields.text(getattr(self, name), f"head.{name}")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """One source of training data: how many images from how many independent groups."""

    name: str
    source: str
    licence: str
    images: int
    groups: int

    def __post_init__(self) -> None:
        for name in ("name", "source", "licence"):
            fields.text(getattr(self, name), f"data[].{name}")
        for name in ("images", "groups"):
            fields.integer(getattr(self, name), f"data[].{name}", minimum=0)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Conformal:
    """Thresholds of the conformal sets (``engine.inference.conformal``) and their coverage."""

    coverage: float
    thresholds: Mapping[str, float]

    def __post_init__(self) -> None:
        fields.fraction(self.coverage, "conformal.coverage")
        items = fields.mapping(self.thresholds, "conformal.thresholds")
        checked = {
            name: fields.number(value, f"conformal.thresholds.{name}", minimum=0.0, maximum=1.0)
            for name, value in items.items()
        }
        object.__setattr__(self, "thresholds", checked)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Everything that travels with a model's weights. Validated when it is made.

    ``outputs`` maps a role (``"logits"``, ``"features"``, …) to the name of the network's output
    tensor; ``Runtime.run`` answers by role. ``files`` maps each file of the folder to its sha256.
    ``metrics`` and ``details`` hold any JSON values. ``temperature`` divides the logits before
    the softmax. ``experimental`` lists classes with too little data to rely on.

    Raises
    ------
    ModelError
        When a field has the wrong type or range; the message names it.
    """

    name: str
    version: str
    task: str
    architecture: str
    format: ModelFormat
    input: InputSpec | FreeSizeSpec | VolumeSpec
    classes: tuple[str, ...]
    outputs: Mapping[str, str]
    licence: str
    source: str
    data: tuple[DataSource, ...]
    split: str
    created: str
    metrics: Mapping[str, object] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    head: HeadWeights | None = None
    temperature: float = 1.0
    conformal: Conformal | None = None
    experimental: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("name", "version", "task", "architecture", "licence", "source", "split"):
            fields.text(getattr(self, name), name)
        if self.format not in _FORMATS:
            fields.refuse("format", expected=f"one of {', '.join(_FORMATS)}", got=self.format)
        fields.timestamp(self.created, "created")
        for name in ("classes", "limits", "experimental"):
            object.__setattr__(self, name, fields.text_list(getattr(self, name), name))
        for name in ("outputs", "metrics", "files", "details"):
            object.__setattr__(self, name, fields.mapping(getattr(self, name), name))
        if not self.classes:
            fields.refuse("classes", expected="a list with at least one class", got=[])
        if not self.data:
            fields.refuse("data", expected="a list with at least one source of data", got=[])
        if not self.outputs:
            fields.refuse("outputs", expected="at least one output, such as 'logits'", got={})
        for role, name in self.outputs.items():
            fields.text(name, f"outputs.{role}")
        fields.number(self.temperature, "calibration.temperature", minimum=1e-3, maximum=1e3)
        for name, digest in self.files.items():
            fields.sha256_text(digest, f"files.{name}")
        self._check_class_names()

    def _check_class_names(self) -> None:
        named = {"experimental": self.experimental}
        if self.conformal is not None:
            named["conformal.thresholds"] = tuple(self.conformal.thresholds)
            missing = set(self.classes) - set(self.conformal.thresholds)
            if missing:
                fields.refuse(
                    "conformal.thresholds",
                    expected=f"an object with a threshold for each of {list(self.classes)}",
                    got=sorted(self.conformal.thresholds),
                )
        for name, used in named.items():
            unknown = [item for item in used if item not in self.classes]
            if unknown:
                fields.refuse(
                    name, expected=f"made of the classes {list(self.classes)}", got=unknown
                )

    @property
    def picture(self) -> InputSpec:
        """The input of a network that takes pictures of one size.

        Raises
        ------
        ModelError
            When it takes pictures of any size, or volumes.
        """
        if not isinstance(self.input, InputSpec):
            fields.refuse("input", expected="that of pictures", got=self.input.written)
        return self.input

    @property
    def label(self) -> str:
        """Name and version as people see them."""
        return f"{self.name} {self.version}"

    def to_json(self) -> dict[str, object]:
        """Return the card as the JSON document that ``card.json`` holds."""
        plain = dataclasses.asdict(self)
        temperature = plain.pop("temperature")
        plain["calibration"] = {"temperature": temperature}
        return {
            "schema": SCHEMA,
            **{key: _plain(value) for key, value in plain.items() if value is not None},
        }

    @classmethod
    def from_json(cls, document: object) -> ModelCard:
        """Make a card from a parsed ``card.json``.

        Raises
        ------
        ModelError
            When a field is missing, unknown or wrong.
        """
        given = fields.mapping(document, "card.json")
        schema = given.pop("schema", None)
        if schema != SCHEMA or isinstance(schema, bool):
            fields.refuse("schema", expected=f"the number {SCHEMA}", got=schema)
        calibration = _known(given.pop("calibration", {}), "calibration", {"temperature"})
        given["temperature"] = calibration.get("temperature", 1.0)
        _check_names(given, cls, "card")
        given["input"] = _input(given["input"])
        given["data"] = tuple(
            _record(DataSource, item, f"data[{i}]") for i, item in enumerate(_items(given["data"]))
        )
        for name, kind in (("head", HeadWeights), ("conformal", Conformal)):
            if given.get(name) is not None:
                given[name] = _record(kind, given[name], name)
        return cls(**given)  # type: ignore[arg-type]  # __post_init__ checks each type


def load(folder: str | Path) -> ModelCard:
    """Return the card of a model folder after checking each of its files.

    Raises
    ------
    ModelError
        When the card is missing, incomplete or wrong; when a file is missing, altered, unlisted,
        a link, outside of the folder, or a pickle (by name or by content).
    """
    root = model_files.model_folder(folder)
    card = ModelCard.from_json(_read_json(root))
    model_files.check_files(root, card.files)
    _check_format(card)
    return card


def write(folder: str | Path, card: ModelCard) -> ModelCard:
    """Write ``card.json`` for the files that lie in ``folder``; return the completed card.

    The sha256 of every file in the folder is computed here, so ``card.files`` need not be
    filled. The card appears all at once or, after an error, not at all.

    Raises
    ------
    ModelError
        When the folder does not exist or holds a file that a model folder must not hold.
    """
    root = model_files.model_folder(folder)
    names = sorted(
        entry.name
        for entry in root.iterdir()
        if not model_files.is_ignored(entry) and entry.name not in model_files.COMPANIONS
    )
    paths = [model_files.listed_path(root, name) for name in names]
    for path in paths:
        model_files.check_content(path)
    complete = dataclasses.replace(
        card, files={path.name: model_files.sha256_of(path) for path in paths}
    )
    _check_format(complete)
    try:
        written = json.dumps(complete.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"The card of {card.label!r} should hold plain JSON values in 'metrics' and "
            f"'details', but {error}; write None for what could not be measured."
        ) from error
    _replace_atomically(root / CARD_NAME, written + "\n")
    return complete


def weights_name(card: ModelCard) -> str:
    """Return the file that a runtime opens: the ``.xml``, ``.onnx`` or ``.safetensors``.

    A safetensors file that holds only the head's weights is not it, unless it is the only one.

    Raises
    ------
    ModelError
        When the card lists none, or several.
    """
    if card.format != "safetensors":
        suffix = {"openvino": ".xml", "onnx": ".onnx"}[card.format]
        return model_files.weight_files(card.files, suffix, card_format=card.format)
    head = None if card.head is None else card.head.weights_file
    tensors = [name for name in card.files if name.endswith(".safetensors")]
    names = [name for name in tensors if name != head] or tensors
    return model_files.weight_files(names, ".safetensors", card_format=card.format)


def _read_json(root: Path) -> object:
    path = root / CARD_NAME
    if path.is_symlink() or not path.is_file():
        raise ModelError(
            f"A model folder needs a {CARD_NAME} (a plain file), but {str(root)!r} has none; "
            f"add the card that came with the model."
        )
    if path.stat().st_size > _MAX_CARD_BYTES:
        raise ModelError(
            f"A {CARD_NAME} should have at most {_MAX_CARD_BYTES} bytes, but it has "
            f"{path.stat().st_size}; weights belong into their own file."
        )
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"The {CARD_NAME} in {str(root)!r} should be JSON in UTF-8, but it cannot be read: "
            f"{error}; copy the card again."
        ) from error
    return document


def _check_format(card: ModelCard) -> None:
    """Make sure that the files fit the format, and that the head's file is one of them."""
    weights_name(card)
    if card.format == "openvino":
        model_files.weight_files(card.files, ".bin", card_format=card.format)
    if card.head is not None:
        name = card.head.weights_file
        if name not in card.files or not name.endswith(".safetensors"):
            fields.refuse(
                "head.weights_file",
                expected="a .safetensors file that is listed under 'files'",
                got=name,
            )


def _plain(value: object) -> object:
    """Return the value with lists in place of tuples, as JSON has no tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _known(value: object, name: str, allowed: set[str]) -> dict[str, object]:
    given = fields.mapping(value, name)
    unknown = sorted(set(given) - allowed)
    if unknown:
        fields.refuse(name, expected=f"made of the fields {sorted(allowed)}", got=unknown)
    return given


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        fields.refuse("data", expected="a list of sources of data", got=value)
    return value


def _check_names(given: Mapping[str, object], kind: type, name: str) -> None:
    """Refuse unknown fields (often a typing mistake) and missing ones."""
    known = {entry.name: entry for entry in dataclasses.fields(kind)}
    for unknown in sorted(set(given) - set(known)):
        raise ModelError(
            f"The model card has an unknown field {unknown!r} in {name!r}; known are "
            f"{sorted(known)}. Correct its name, or put your own values under 'details'."
        )
    for key, entry in known.items():
        required = (
            entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING
        )
        if required and given.get(key) is None:
            raise ModelError(
                f"The model card lacks the field {key!r} in {name!r}; a model is opened only "
                f"with a complete card, so add it to {CARD_NAME}."
            )


def _record(kind: type[_Record], value: object, name: str) -> _Record:
    given = fields.mapping(value, name)
    _check_names(given, kind, name)
    return kind(**given)


def _input(value: object) -> InputSpec | FreeSizeSpec | VolumeSpec:
    """Read an input; only that of volumes has a grid, only those of free size a multiple."""
    given = fields.mapping(value, "input")
    if "grid_mm" in given:
        return _record(VolumeSpec, given, "input")
    if "side_multiple" in given:
        return _record(FreeSizeSpec, given, "input")
    return _record(InputSpec, given, "input")


def _replace_atomically(path: Path, content: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".card-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp makes files that only their owner may read
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
