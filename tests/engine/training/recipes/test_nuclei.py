"""The recipe of the nuclei model, in small: from a folder to a model with a complete card."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.inference import cards
from engine.segmentation.segmenter import open_segmenter
from engine.training import events
from engine.training.planning import Wishes
from engine.training.recipes.nuclei import nuclei_set
from engine.training.recipes.nuclei_card import ORIGIN, finish_card
from engine.training.recipes.nuclei_pictures import read_nuclei
from engine.training.running import train
from tests.engine.training.recipes.drawn_nuclei import draw_nuclei, write_folder


@pytest.fixture(autouse=True)
def _one_core() -> None:
    """Leave the other core to other tests."""
    torch.set_num_threads(1)


def test_rare_kinds_are_learnt_more_often(tmp_path: Path) -> None:
    """Stained training pictures are in the set twice, held-back ones once, each by its own name."""
    pictures = read_nuclei(write_folder(tmp_path, 12))
    found = nuclei_set(pictures)
    names = [one.name for one in found.examples]
    assert len(set(names)) == len(names)
    for one in pictures:
        copies = sum(name.split(" ")[0] == one.name for name in names)
        assert copies == (2 if one.kind == "stained" and one.part == "train" else 1)
    assert {one.split for one in found.examples} == {"train", "validation", "test"}


def test_the_card_is_completed(tmp_path: Path) -> None:
    """After one epoch on drawn nuclei the folder opens, with figures by kind and all names."""
    pictures = read_nuclei(write_folder(tmp_path / "data", 12))
    wishes = Wishes(epochs=1, patch_px=64, batch_size=2)
    told = list(train(nuclei_set(pictures), wishes, tmp_path / "out", origin=ORIGIN))
    assert isinstance(told[-1], events.Finished)
    figures = finish_card(tmp_path / "out" / "model", pictures)
    card = cards.load(tmp_path / "out" / "model")
    assert card.metrics["kinds"] == figures
    assert [name for name in card.files if name.endswith(".png")] == ["curves.png"]
    assert card.data[0].images == len(pictures)
    assert card.data[0].licence == "CC0"
    held = sorted(one.name for one in pictures if one.part == "test")
    assert card.details["held_back"] == held
    assert figures["all"]["pictures"] == len(held)
    segmenter = open_segmenter(tmp_path / "out" / "model", threads=1)
    assert segmenter.predict(draw_nuclei(50, stained=False)[0]).mask.shape == (192, 256)
