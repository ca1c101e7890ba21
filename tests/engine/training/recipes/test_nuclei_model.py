"""The nuclei model that ships: whole, small, honest about its data, and better than a threshold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.inference import cards
from engine.segmentation.scoring import confusion, overlaps
from engine.segmentation.segmenter import Segmenter, open_segmenter
from engine.shipped import shipped
from engine.training.recipes.otsu import otsu_dice
from tests.engine.training.recipes.drawn_nuclei import draw_nuclei

FOLDER = shipped("models", "nuclei")


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    """Return the model on one core, in full precision."""
    return open_segmenter(FOLDER, precision="f32", threads=1)


def test_it_is_whole_and_small() -> None:
    """Every file is what the card says, none shows a picture of the data; at most 15 MB."""
    card = cards.load(FOLDER)
    assert card.task == "segmentation"
    assert card.classes == ("background", "nucleus")
    assert {"model.xml", "model.bin", "weights.safetensors", "metrics.json"} <= set(card.files)
    assert [name for name in card.files if name.endswith(".png")] == ["curves.png"]
    assert sum(path.stat().st_size for path in Path(FOLDER).iterdir()) <= 15_000_000


def test_the_card_says_what_it_rests_on() -> None:
    """Source, licence, counts, split, limits, and the names of the held-back pictures."""
    card = cards.load(FOLDER)
    (source,) = card.data
    assert (source.licence, source.images, source.groups) == ("CC0", 531, 205)
    assert "dsbowl-2018-dataset-fixes@3035455" in source.source
    assert "106 pictures" in card.split
    assert len(card.details["held_back"]) == 106  # type: ignore[arg-type]
    assert any("touch" in limit for limit in card.limits)
    assert any("not a medical device" in limit for limit in card.limits)


def test_its_figures_are_as_wanted() -> None:
    """Dice of at least 0.91 on the held-back fifth, above Otsu's threshold on every kind."""
    card = cards.load(FOLDER)
    kinds = json.loads(json.dumps(card.metrics["kinds"]))
    assert kinds["all"]["pictures"] == 106
    assert kinds["all"]["dice"]["value"] >= 0.91
    for name, row in kinds.items():
        assert row["dice"]["value"] > row["otsu"]["value"], name
        assert row["pictures"] >= 2


@pytest.mark.parametrize("stained", [False, True], ids=["fluorescence", "stained"])
def test_it_beats_a_threshold_on_drawn_nuclei(segmenter: Segmenter, *, stained: bool) -> None:
    """Bright on dark and dark on bright: nearer to the drawn truth than Otsu's threshold."""
    ours, otsu = [], []
    for seed in range(4):
        picture, truth = draw_nuclei(seed, stained=stained)
        mask = segmenter.predict(picture).mask
        ours.append(overlaps(confusion(truth, mask, 2))[1].dice)
        otsu.append(otsu_dice(picture, truth))
    assert np.mean(ours) > np.mean(otsu)
    assert np.mean(ours) > 0.9


def test_a_picture_without_nuclei_has_none(segmenter: Segmenter) -> None:
    """A dark frame with a little noise: next to nothing is called a nucleus."""
    noise = np.random.default_rng(0).normal(12, 2, (256, 256, 1)).clip(0, 255)
    mask = segmenter.predict(np.repeat(noise, 3, axis=2).astype(np.uint8)).mask
    assert (mask == 1).mean() < 0.01
