"""Models as one ZIP to take along, in four forms, and back in again."""

from __future__ import annotations

import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, get_args

from engine.errors import ModelError, RequestError, TooLargeError
from engine.inference import cards, model_files

__all__ = ["BUNDLE_FORMS", "BundleForm", "opened_bundle", "write_bundle"]

BundleForm = Literal["bundle", "openvino", "onnx", "safetensors"]
BUNDLE_FORMS: Final[tuple[BundleForm, ...]] = get_args(BundleForm)
"""``bundle``: the whole folder, for ``lightbox predict``; ``openvino``: the runtime's two files
with the card; ``onnx``: one file for other programs; ``safetensors``: weights and what they are."""

_MOST_BYTES: Final = 600_000_000
_MOST_FILES: Final = 60
_MOST_RATIO: Final = 200.0
_README: Final = """# {label}

A segmentation model made with Lightbox. `card.json` says what it was trained on, how good it is and
how pictures are normalised ({normalised}).

    lightbox predict THIS_FOLDER picture.png --out answers

Input `image`: (N, 3, H, W) float32, sides multiples of {multiple}. Output `logits`: (N, {classes},
H, W); softmax over the second axis, after dividing by the temperature {temperature:g}. Classes:
{names}.

A research demonstrator, not a medical device.
"""


def write_bundle(folder: Path, target: Path, form: BundleForm) -> None:
    """Write a model folder as a ZIP.

    Raises
    ------
    RequestError
        When there is no such form, or the model lacks what it needs.
    ModelError
        When the folder is altered, or ONNX answers differently.
    """
    if form not in BUNDLE_FORMS:
        raise RequestError(
            f"A model is exported as one of {', '.join(BUNDLE_FORMS)}, but {form!r:.40} was asked "
            "for."
        )
    card = cards.load(folder)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("README.md", _readme(card))
        if form == "bundle":
            for name in sorted({*card.files, "card.json"}):
                archive.write(folder / name, name)
            return
        archive.write(folder / "card.json", "card.json" if form == "openvino" else "model.json")
        if form == "openvino":
            _openvino(archive, folder, card)
        elif form == "safetensors":
            _safetensors(archive, folder, card)
        else:
            with tempfile.TemporaryDirectory() as made:
                archive.write(_onnx(folder, card, Path(made)), "model.onnx")


def _openvino(archive: zipfile.ZipFile, folder: Path, card: cards.ModelCard) -> None:
    """Only the runtime's files, with a card that lists no others."""
    import dataclasses
    import json

    kept = {n: h for n, h in card.files.items() if n.endswith((".xml", ".bin"))}
    own = dataclasses.replace(card, files=kept)
    for name in kept:
        archive.write(folder / name, name)
    # The entry that was written first is the whole card; this one replaces it for readers.
    archive.filelist[:] = [one for one in archive.filelist if one.filename != "card.json"]
    archive.NameToInfo.pop("card.json", None)
    archive.writestr("card.json", json.dumps(own.to_json(), indent=2, ensure_ascii=False) + "\n")


def _safetensors(archive: zipfile.ZipFile, folder: Path, card: cards.ModelCard) -> None:
    import json

    if "weights.safetensors" not in card.files or "architecture" not in card.details:
        raise RequestError(
            f"“{card.label}” has no weights as safetensors; export it as a bundle or OpenVINO."
        )
    archive.write(folder / "weights.safetensors", "weights.safetensors")
    config = {
        "architecture": card.details["architecture"],
        "classes": list(card.classes),
        "normalisation": card.details.get("normalisation"),
        "temperature": card.temperature,
    }
    archive.writestr("config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _onnx(folder: Path, card: cards.ModelCard, place: Path) -> Path:
    """Export the torch network and compare OpenVINO's reading of it with the shipped files."""
    from engine.training.onnx_files import export_onnx

    return export_onnx(folder, card, place / "model.onnx")


def _readme(card: cards.ModelCard) -> str:
    spec: Any = card.input
    return _README.format(
        label=card.label,
        normalised=getattr(spec, "normalised_by", "see card.json"),
        multiple=getattr(spec, "side_multiple", 1),
        classes=len(card.classes),
        temperature=card.temperature,
        names=", ".join(f"{i} {name}" for i, name in enumerate(card.classes)),
    )


@contextmanager
def opened_bundle(path: Path) -> Iterator[Path]:
    """Unpack a ZIP into a folder that is gone afterwards, after looking at it.

    Raises
    ------
    ModelError
        When it is no ZIP, damaged, unsafe, or no complete model folder.
    TooLargeError
        When it is too large, or unpacks to far more than its size.
    """
    with tempfile.TemporaryDirectory(prefix="lightbox-model-") as made:
        folder = Path(made)
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, folder, packed=path.stat().st_size)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise ModelError(
                "Expected a ZIP with a model folder (card.json and its files), but it cannot be "
                f"read ({type(error).__name__}); export the model again."
            ) from error
        card = cards.load(folder)
        _check_answer(folder, card)
        yield folder


def _unpack(archive: zipfile.ZipFile, folder: Path, *, packed: int) -> None:
    entries = [one for one in archive.infolist() if not one.is_dir()]
    total = sum(one.file_size for one in entries)
    if len(entries) > _MOST_FILES or total > _MOST_BYTES:
        raise TooLargeError(
            f"A model has at most {_MOST_FILES} files of {_MOST_BYTES / 1e6:.0f} MB together, but "
            f"this ZIP holds {len(entries)} of {total / 1e6:.0f} MB."
        )
    if total > 50_000_000 and total > _MOST_RATIO * max(1, packed):
        raise TooLargeError("The ZIP unpacks to far more than its size; it looks like a bomb.")
    for entry in entries:
        name = entry.filename.replace("\\", "/")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ModelError("The ZIP holds a link or a special file; pack the files themselves.")
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or ":" in parts[0]:
            raise ModelError(
                "The ZIP holds a name that points outside of it; pack the model's folder again."
            )
        leaf = parts[-1]
        if leaf.startswith(".") or "__MACOSX" in parts or leaf in ("README.md", "LICENSE"):
            continue
        if Path(leaf).suffix.lower() not in model_files.ALLOWED_SUFFIXES:
            raise ModelError(
                f"The ZIP holds {leaf[:80]!r}, which no model folder may hold: only "
                f"{', '.join(sorted(model_files.ALLOWED_SUFFIXES))}. Pickles are refused, because "
                "loading one runs its author's code."
            )
        with archive.open(entry) as source:
            (folder / leaf).write_bytes(source.read(entry.file_size + 1))


def _check_answer(folder: Path, card: cards.ModelCard) -> None:
    """Ask the network once: a card may lie about its classes.

    Raises
    ------
    ModelError
        When the answer is not what the card says.
    """
    import numpy as np

    from engine.segmentation.segmenter import open_segmenter

    segmenter = open_segmenter(folder, precision="f32")
    side = segmenter.tiling.multiple * max(1, 32 // segmenter.tiling.multiple)
    found = segmenter.scores(np.zeros((1, 3, side, side), np.float32))
    if found.shape != (1, len(card.classes), side, side):
        raise ModelError(
            f"The card names {len(card.classes)} classes, but the network answers {found.shape} "
            f"for a picture of {side}×{side}; the card belongs to another model."
        )
