"""Heat maps of networks whose reasons are known by construction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.errors import InputError
from engine.segmentation.explaining import explain, window_around
from engine.segmentation.normalising import Normalisation

BYTES = Normalisation(kind="fixed", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


class Bright(nn.Module):
    """Class 1 where red is bright, class 2 where blue is; each pixel by its surroundings of 5."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Conv2d(3, 2, 5, padding=2, bias=False)
        self.last = nn.Conv2d(2, 3, 1, bias=False)
        with torch.no_grad():
            self.seen.weight.zero_()
            self.seen.weight[0, 0] = 1 / 25
            self.seen.weight[1, 2] = 1 / 25
            self.last.weight.zero_()
            self.last.weight[1, 0] = self.last.weight[2, 1] = 4.0

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, 3, H, W)."""
        answer: Tensor = self.last(self.seen(image).relu())
        return answer


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spots() -> NDArray[np.uint8]:
    """A red spot at the left and a blue one at the right, on black."""
    picture = np.zeros((60, 90, 3), np.uint8)
    picture[20:40, 10:30, 0] = 255
    picture[20:40, 60:80, 2] = 255
    return picture


@pytest.mark.parametrize(("class_index", "place"), [(1, slice(10, 30)), (2, slice(60, 80))])
def test_the_heat_lies_on_what_the_class_is_made_of(class_index: int, place: slice) -> None:
    """Asked about the whole picture, red explains class 1 and blue class 2."""
    found = explain(Bright(), "seen", spots(), class_index, normalisation=BYTES, multiple=4)
    assert found.heat.shape == (60, 90)
    on_spot = found.heat[18:42, place.start - 2 : place.stop + 2].sum()
    assert on_spot > 0.99 * found.heat.sum() > 0
    assert found.effect > 0


def test_a_region_is_asked_about_and_its_probability_told() -> None:
    """Of two red spots the region holds one; its mean probability is that of arithmetic."""
    region = np.zeros((60, 90), bool)
    region[25:35, 15:25] = True  # well inside: everything within reach is red
    found = explain(Bright(), "seen", spots(), 1, normalisation=BYTES, region=region, multiple=4)
    logit = 4.0 * 2.0  # (1 - 0.5) / 0.25
    assert found.probability == pytest.approx(np.exp(logit) / (np.exp(logit) + 2), abs=1e-5)
    assert 0 < found.inside < 1
    assert found.effect > 0.05
    assert found.judgement.reason


def test_nothing_speaks_for_a_class_that_is_not_there() -> None:
    """A black picture has an empty map, and the verdict says so."""
    picture = np.zeros((32, 32, 3), np.uint8)
    found = explain(Bright(), "seen", picture, 1, normalisation=BYTES, multiple=4)
    assert not found.heat.any()
    assert found.judgement.verdict == "not shown"


def test_the_network_stays_as_it_was() -> None:
    """Mode, weights and gradients of the module that was given are untouched."""
    module = Bright().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    explain(module, "seen", spots(), 1, normalisation=BYTES, multiple=4)
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_window_of_a_large_picture() -> None:
    """A small region gets its surroundings, a large one is cut to 768; corners lie on 32."""
    region = np.zeros((5000, 6000), bool)
    region[2000:2010, 3000:3010] = True
    small = window_around(region, multiple=32)
    assert (small.left % 32, small.top % 32) == (0, 0)
    assert small.left <= 3000 - 64
    assert small.left + small.width >= 3010 + 64
    large = window_around(np.ones((5000, 6000), bool), multiple=32)
    assert max(large.width, large.height) <= 768


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_index": 3}, "0 to 2"),
        ({"layer": "middle"}, "'seen', 'last'"),
        ({"region": np.zeros((60, 90), bool)}, "at least one pixel"),
        ({"region": np.zeros((6, 9), bool)}, "region"),
        ({"picture": np.zeros((60, 90), np.uint8)}, "picture"),
    ],
)
def test_what_cannot_be_explained_is_refused(changes: dict[str, object], words: str) -> None:
    """An unknown class or layer, an empty region, another size, a grey picture."""
    values: dict[str, object] = {"layer": "seen", "picture": spots(), "class_index": 1, **changes}
    with pytest.raises(InputError, match=words):
        explain(Bright(), normalisation=BYTES, multiple=4, **values)  # type: ignore[arg-type]
