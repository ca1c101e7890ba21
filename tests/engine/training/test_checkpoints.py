"""Checkpoints: whole or not at all, two generations, a full disk in words."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.errors import ModelError
from engine.training.checkpoints import load_checkpoint, load_weights, save_checkpoint, save_weights


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    """Tensors to the last bit, notes as they were."""
    tensors = {"a": torch.randn(3, 4), "b": torch.tensor(7)}
    save_checkpoint(tmp_path, tensors, {"step": 3, "best": 0.5})
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found.notes["step"] == 3
    assert all(torch.equal(found.tensors[name], value) for name, value in tensors.items())


def test_nothing_saved_is_none(tmp_path: Path) -> None:
    """A new folder has no state."""
    assert load_checkpoint(tmp_path) is None


def test_two_generations_are_kept(tmp_path: Path) -> None:
    """The one before stays until the next is whole; older ones go."""
    for step in range(1, 5):
        save_checkpoint(tmp_path, {"a": torch.ones(step)}, {"step": step})
    names = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert names == ["step_00000003.safetensors", "step_00000004.safetensors"]


def test_a_kill_before_the_note_leaves_the_earlier_state(tmp_path: Path) -> None:
    """Weights without a note that names them do not count."""
    save_checkpoint(tmp_path, {"a": torch.zeros(2)}, {"step": 1})
    save_weights(tmp_path / "step_00000002.safetensors", {"a": torch.ones(2)})
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found.notes["step"] == 1
    assert torch.equal(found.tensors["a"], torch.zeros(2))


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    """A sentence, and no trace of a library."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"\x80\x04 no tensors")
    with pytest.raises(ModelError, match=r"w\.safetensors cannot be read"):
        load_weights(path)


FULL = """
import sys, torch, resource
from pathlib import Path
from engine.errors import DiskShortError
from engine.training.checkpoints import load_checkpoint, save_checkpoint
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
save_checkpoint(folder, {"a": torch.zeros(10)}, {"step": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_checkpoint(folder, {"a": torch.zeros(1_000_000)}, {"step": 2})
except DiskShortError as error:
    print(error)
print(load_checkpoint(folder).notes["step"], sorted(p.name for p in folder.iterdir()))
"""


def test_a_full_disk_keeps_the_state_before(tmp_path: Path) -> None:
    """A file that cannot grow stands for a full disk: the error is a sentence, nothing is torn."""
    assert resource.RLIMIT_FSIZE
    found = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    told, state = found.stdout.strip().splitlines()
    assert told.startswith("The disk is full: step_00000002.safetensors could not be written.")
    assert state == "1 ['checkpoint.json', 'step_00000001.safetensors']"
