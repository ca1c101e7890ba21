"""Pickles are refused by name and by content; honest weights are not."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import ModelError
from engine.inference import cards, model_files
from engine.inference.cards import ModelCard


@pytest.mark.parametrize(
    "name", ["m.pt", "m.PTH", "m.pkl", "m.pickle", "m.ckpt", "m.joblib", "m.npz", "m.h5"]
)
def test_pickles_are_refused_by_name(openvino_folder: Path, name: str) -> None:
    """A file of a dangerous kind is refused even when the card lists it."""
    (openvino_folder / name).write_bytes(b"harmless")
    document = json.loads((openvino_folder / "card.json").read_text())
    document["files"][name] = model_files.sha256_of(openvino_folder / name)
    (openvino_folder / "card.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match="can run code when it is loaded"):
        cards.load(openvino_folder)


def test_an_unlisted_pickle_is_refused(openvino_folder: Path) -> None:
    """A pickle may not even lie beside the model."""
    (openvino_folder / "optimizer.pt").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"'optimizer.pt' is of a kind that can run code"):
        cards.load(openvino_folder)


def test_an_unknown_kind_is_refused(openvino_folder: Path, card: ModelCard) -> None:
    """Libraries and scripts have no place in a model folder."""
    (openvino_folder / "extension.so").write_bytes(b"\x7fELF")
    with pytest.raises(ModelError, match=r"'extension.so' is of an unknown kind"):
        cards.write(openvino_folder, card)


class Evil:
    """Would run a command when unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return print, ("pwned",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_named_bin_is_refused(tmp_path: Path, protocol: int) -> None:
    """The content counts, for each pickle protocol."""
    path = tmp_path / "model.bin"
    path.write_bytes(pickle.dumps(Evil(), protocol=protocol))
    with pytest.raises(ModelError, match="Python pickle whatever its name says"):
        model_files.check_content(path)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_long_pickle_of_plain_values_is_refused(tmp_path: Path, protocol: int) -> None:
    """A pickle that ends behind the inspected head is recognised by its first instructions."""
    path = tmp_path / "model.bin"
    path.write_bytes(pickle.dumps({str(n): float(n) for n in range(5000)}, protocol=protocol))
    with pytest.raises(ModelError, match="Python pickle"):
        model_files.check_content(path)


@pytest.mark.parametrize("as_zip", [True, False])
def test_torch_files_named_bin_are_refused(tmp_path: Path, as_zip: bool) -> None:
    """Both of torch's own formats are pickles inside."""
    path = tmp_path / "model.bin"
    torch.save({"weight": torch.ones(3)}, path, _use_new_zipfile_serialization=as_zip)
    with pytest.raises(ModelError, match="ZIP archive" if as_zip else "Python pickle"):
        model_files.check_content(path)


@pytest.mark.parametrize("head", [b"\x1f\x8b\x08", b"BZh9", b"\x93NUMPY\x01", b"\x89HDF\r\n\x1a\n"])
def test_archives_are_refused(tmp_path: Path, head: bytes) -> None:
    """Compressed files and array containers are refused by their first bytes."""
    path = tmp_path / "model.bin"
    path.write_bytes(head + b"rest")
    with pytest.raises(ModelError, match="such files can run code"):
        model_files.check_content(path)


def test_raw_weights_are_not_mistaken_for_pickles(tmp_path: Path) -> None:
    """None of 2000 random weight files is refused, in f32 and f16, nor files of one byte value."""
    random = np.random.default_rng(0)
    path = tmp_path / "model.bin"
    contents = [
        random.normal(scale=scale, size=256).astype(kind).tobytes()
        for scale in (0.01, 1.0)
        for kind in (np.float32, np.float16)
        for _ in range(500)
    ]
    contents += [bytes([value]) * 64 for value in range(256)]
    for content in contents:
        path.write_bytes(content)
        model_files.check_content(path)


def test_weights_that_begin_like_a_pickle_pass(tmp_path: Path) -> None:
    """Two unlucky first bytes are not enough to refuse raw weights."""
    path = tmp_path / "model.bin"
    for protocol in range(2, 6):
        weights = np.random.default_rng(protocol).normal(size=4096).astype(np.float32).tobytes()
        path.write_bytes(bytes([0x80, protocol]) + weights[2:])
        model_files.check_content(path)
