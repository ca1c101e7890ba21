"""Models against each other on the same pictures, with Dice that can be counted by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.catalogue.models.comparing import compare_models
from engine.errors import RequestError
from engine.imaging import pictures
from engine.people.actors import SYSTEM
from tests.engine.catalogue.training_house import BOSS, CLASSES, House
from tests.engine.segmentation.threshold_model import (
    dark_squares,
    true_mask,
    write_threshold_model,
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Pictures with two dark squares; in half of the masks only one of them is drawn."""
    made = House.at(tmp_path / "home", count=0)
    for number in range(6):
        picture = dark_squares()
        mask = true_mask(picture)
        if number % 2:
            mask[:, 45:] = 0
        made.put(picture, mask, name=f"{number}.png", split="test" if number < 4 else "train")
    yield made
    made.bench.close()


def bring(house: House, folder: Path, **about: Any) -> str:
    """A model that finds all that is dark."""
    write_threshold_model(folder, **{"classes": CLASSES, **about})
    return house.bench.models.keep(folder, actor_id="boss").id


def compared(house: House, *models: str) -> tuple[str, dict[str, Any]]:
    """The closing sentence and the document of a comparison."""
    payload = {"models": list(models), "dataset": house.dataset.id}
    context = house.context(house.bench.queue.submit("compare_models", payload, actor=SYSTEM))
    said = compare_models(context)
    (made,) = (one for one in context.results if one.kind == "comparison")
    return said, json.loads(house.bench.files.read(made.ref))


def test_alike_models_differ_nowhere(house: House, tmp_path: Path) -> None:
    """Dice 1 and 2·400/(800+400) by turns on the four test pictures: the mean is 5/6 for both."""
    names = [bring(house, tmp_path / str(n), tile_px=64 + 64 * n) for n in range(2)]
    said, found = compared(house, *names)
    assert said == "2 models were compared on 4 pictures of “Discs”."
    assert [one["id"] for one in found["models"]] == names
    assert [one["value"] for one in found["means"]] == [pytest.approx(5 / 6, abs=1e-4)] * 2
    assert found["means"][0]["low"] <= 5 / 6 <= found["means"][0]["high"]
    (pair,) = found["pairs"]
    assert (pair["difference"], pair["low"], pair["high"], pair["is_clear"]) == (0, 0, 0, False)
    rows = {row["name"]: row["dice"] for row in found["rows"]}
    assert sorted(rows) == ["0.png", "1.png", "2.png", "3.png"]
    assert rows["0.png"] == [1, 1]
    assert rows["1.png"] == [pytest.approx(2 / 3, abs=1e-4)] * 2


def test_where_models_differ_most_is_shown_first(house: House, tmp_path: Path) -> None:
    """The other finds nothing dark enough in some pictures; their drawings are stored."""
    grey = np.full((120, 160, 3), 220, np.uint8)
    grey[10:30, 10:30] = 100  # dark for the first, not for the second
    mask = np.zeros((120, 160), np.uint8)
    mask[10:30, 10:30] = 1
    house.put(grey, mask, name="pale.png", split="test")
    first = bring(house, tmp_path / "a")
    second = bring(
        house,
        tmp_path / "b",
        details={"normalisation": {"kind": "fixed", "mean": [-0.2] * 3, "std": [1.0] * 3}},
    )
    _, found = compared(house, first, second)
    (top, *_) = found["rows"]
    assert (top["name"], top["dice"]) == ("pale.png", [1, 0])
    assert found["shown"][0]["name"] == "pale.png"
    for name in found["shown"][0]["pictures"]:
        assert pictures.decode(house.bench.files.read(name)).ndim == 3
    (pair,) = found["pairs"]
    # The second minus the first: in one of five pictures it is 1 lower.
    assert pair["difference"] == pytest.approx(-0.2, abs=1e-4)
    assert pair["low"] <= -0.2 <= pair["high"]


def test_models_that_learnt_from_the_pictures_are_asked_about_others(
    house: House, tmp_path: Path
) -> None:
    """Without a split of the dataset, what all of them held back; nothing in common is told."""
    with house.bench.store.images.transaction() as images:
        for image in list(images.values()):
            images.put(replace(image, split=""))

    def learnt(folder: str, *test: str) -> str:
        about = {"dataset": {"name": "Discs"}, "parts": {"test": list(test), "validation": []}}
        return bring(house, tmp_path / folder, details=about)

    first, second = learnt("a", "0.png", "1.png"), learnt("b", "1.png", "2.png")
    _, found = compared(house, first, second)
    assert [row["name"] for row in found["rows"]] == ["1.png"]
    with pytest.raises(RequestError, match="held back different pictures"):
        compared(house, first, learnt("c", "5.png"))


def test_what_cannot_be_compared_is_refused(house: House, tmp_path: Path) -> None:
    """Other classes; one model; too many; the same one twice."""
    first = bring(house, tmp_path / "a")
    other = bring(house, tmp_path / "b", classes=("background", "unhealthy", "healthy"))
    with pytest.raises(RequestError, match="same classes"):
        compared(house, first, other)
    for models in ([first], [first, first], ["a", "b", "c", "d", "e"], "ab", None):
        payload = {"models": models, "dataset": house.dataset.id}
        with pytest.raises(RequestError, match="'models'"):
            house.bench.queue.submit("compare_models", payload, actor=BOSS)
