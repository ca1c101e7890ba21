"""Training goes on where it was, learns, and ends in a folder that the runtime opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import InputError
from engine.inference import cards, runtimes
from engine.spine.embedded.recipe import __main__ as recipe
from engine.spine.embedded.recipe import measuring
from engine.spine.embedded.recipe.network import OUTPUTS, Answering, SpineNet
from engine.spine.embedded.recipe.samples import Patch, stream
from engine.spine.embedded.recipe.training import Plan, State, losses
from engine.spine.embedded.targets import CLASSES, heat_of

TINY = ["--voxels", str(16 * 16 * 32), "--minutes", "10"]


@pytest.fixture(scope="module")
def patch() -> Patch:
    """Return a small patch with bodies in it."""
    return next(patch for _, patch in stream(6, voxels=32**3) if patch.codes.any())


def test_a_training_goes_on_and_ships(tmp_path: Path) -> None:
    """Two steps, then two more after a restart; the folder opens and answers any fitting volume."""
    recipe.main(["--out", str(tmp_path), "--steps", "2", "--count", "0", *TINY])
    first = State(Plan())
    first.load(tmp_path / "checkpoint.pt")
    assert first.step == 2
    with pytest.raises(InputError, match="--resume"):
        recipe.main(["--out", str(tmp_path), "--steps", "4", *TINY])
    recipe.main(["--out", str(tmp_path), "--steps", "4", "--resume", "--count", "2", *TINY])
    again = State(Plan())
    again.load(tmp_path / "checkpoint.pt")
    assert again.step == 4
    assert again.seconds > first.seconds
    card, runtime = runtimes.open_model(tmp_path / "model", precision="f32")
    assert card.classes == CLASSES
    assert card.metrics["drawings"]["patients"] == 2  # type: ignore[index]  # a mapping
    volume = np.random.default_rng(0).uniform(-1, 1, (1, 1, 32, 16, 48)).astype(np.float32)
    answer = runtime.run(volume)
    with torch.no_grad():
        wanted = Answering(again.mean).eval()(torch.tensor(volume))
    for name, truth in zip(OUTPUTS, wanted, strict=True):
        assert answer[name].shape[2:] == (32, 16, 48)
        np.testing.assert_allclose(
            answer[name], truth.numpy(), atol=0.03 * float(truth.abs().max())
        )
    assert sum(path.stat().st_size for path in (tmp_path / "model").iterdir()) < 15e6
    assert cards.load(tmp_path / "model").details["steps"] == 4


def test_a_torn_checkpoint_never_stands_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill while writing leaves the checkpoint of before."""
    path = tmp_path / "checkpoint.pt"
    state = State(Plan())
    state.save(path)
    before = path.read_bytes()

    def torn(_held: object, beside: Path) -> None:
        beside.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", torn)
    state.step = 9
    with pytest.raises(KeyboardInterrupt):
        state.save(path)
    assert path.read_bytes() == before


def test_the_loss_falls_on_one_patch(patch: Patch) -> None:
    """Some steps on one patch make every part of the loss smaller."""
    torch.manual_seed(0)
    net = SpineNet()
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    volume = torch.from_numpy(patch.volume.astype(np.float32))[None, None]
    history = []
    for _ in range(8):
        parts = losses(net(volume), patch)
        optimiser.zero_grad()
        torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        history.append(sum(float(value.detach()) for value in parts.values()))
    assert history[-1] < 0.8 * history[0]


def test_a_perfect_answer_costs_almost_nothing(patch: Patch) -> None:
    """Logits of the truth give a loss near zero for heat and classes."""
    heat = torch.from_numpy(patch.heat.astype(np.float32)).clamp(1e-4, 1 - 1e-4)
    logits = torch.zeros(1, 13, *patch.volume.shape)
    logits[:, 0] = torch.logit(heat)
    classes = torch.from_numpy(patch.classes.astype(np.int64))
    logits[0, 1:9] = 20 * torch.nn.functional.one_hot(classes, 8).movedim(-1, 0).float()
    parts = losses(logits, patch)
    assert float(parts["heat"]) < 0.01
    assert float(parts["entropy"]) < 0.01
    assert float(parts["dice"]) < 0.02


def test_scales_learn_alike_in_both_precisions(patch: Patch) -> None:
    """Gradients of the norms' scales in bf16 are close to those in f32."""
    torch.manual_seed(1)
    net = SpineNet()
    volume = torch.from_numpy(patch.volume.astype(np.float32))[None, None]
    grads = []
    for short in (False, True):
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=short):
            logits = net(volume)
        torch.stack(list(losses(logits.float(), patch).values())).sum().backward()  # type: ignore[no-untyped-call]
        grads.append(
            {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
        )
    for name, exact in grads[0].items():
        if "norm" in name:
            error = float((grads[1][name] - exact).norm() / (exact.norm() + 1e-9))
            assert error < 0.25, (name, error)


def test_tops_of_a_drawn_map_are_its_centres() -> None:
    """Two balls 16 mm apart give two tops where they were drawn."""
    centres = np.array([[10.0, 9.0, 8.0], [10.0, 9.0, 12.0]])
    tops = measuring.tops_of(heat_of((20, 20, 20), centres))
    assert sorted(tops.tolist()) == centres.tolist()


@pytest.mark.parametrize(
    ("found", "count"),
    [(np.zeros((0, 3)), 0), (np.array([[0.0, 0, 16]]), 0), (np.zeros((2, 3)), 1)],
)
def test_hits_are_one_to_one_and_within_reach(found: np.ndarray, count: int) -> None:
    """Nothing found, something too far, and one point found twice."""
    assert len(measuring.hits_of(found, np.zeros((1, 3)))) == count
