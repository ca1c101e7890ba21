"""Grad-CAM of an answer: made in another process, the same as made here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.annotation.raster import Box
from engine.catalogue.predicting import Explained, Seen, views
from engine.errors import ModelError, NotSignedInError, RequestError
from engine.imaging import pictures
from engine.people.actors import NOBODY
from engine.segmentation.explaining import explain
from engine.segmentation.normalising import Normalisation
from engine.training.architectures import build
from tests.engine.catalogue.predicting_house import ANN, House, open_house
from tests.engine.segmentation.threshold_model import dark_squares

WIDTHS = [4, 8]
LAYER = "bottom"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A home with the known model."""
    with open_house(tmp_path) as opened:
        yield opened


def network() -> torch.nn.Module:
    """A tiny network with weights that are always the same."""
    torch.manual_seed(7)
    return build("unet", 2, {"widths": WIDTHS}).eval()


def bring_explainable(house: House, folder: Path) -> str:
    """Bring a model in that has the tiny network's weights beside it; return its id."""
    folder.mkdir()
    save_file(network().state_dict(), folder / "weights.safetensors")
    described = {"name": "unet", "options": {"widths": WIDTHS}}
    return house.bring(folder, details={"architecture": described, "layers": {"gradcam": LAYER}})


def test_another_process_explains_as_this_one_would(house: House, tmp_path: Path) -> None:
    """The same heat to rounding, in the same window; only the asked region counts."""
    torch.set_num_threads(1)
    picture = dark_squares(96, 128)
    image = house.put(picture)
    model = bring_explainable(house, tmp_path / "explainable")
    made = house.predicting.predict(ANN, model, image.id)
    told: list[float] = []
    box = Box(left=8, top=8, right=40, bottom=40)
    found = house.predicting.explain(
        ANN, made.id, "nucleus", box=box, tell=lambda done, _: told.append(done)
    )
    region = np.zeros((96, 128), bool)
    region[8:40, 8:40] = True
    here = explain(
        network(),
        LAYER,
        picture,
        1,
        normalisation=Normalisation(kind="fixed", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        region=region,
        multiple=8,
    )
    np.testing.assert_allclose(found.heat, here.heat, atol=1e-4)
    assert (found.window.left, found.window.height) == (here.window.left, here.window.height)
    assert (found.verdict, found.sentence) == (here.judgement.verdict, here.judgement.reason)
    assert told == sorted(told)


def test_a_model_without_what_it_takes_says_so(house: House, tmp_path: Path) -> None:
    """No weights, no description; the answer itself is not touched."""
    looked = house.predicting.look(ANN, "", pictures.encode_png(dark_squares()))
    with pytest.raises(ModelError, match="does not say how its network is built"):
        house.predicting.explain(ANN, looked, "nucleus")


def test_what_cannot_be_explained_is_refused_before_anything_is_started(house: House) -> None:
    """A class that the model does not know, a region outside, nobody signed in."""
    made = house.predicting.predict(ANN, "", house.put(dark_squares()).id)
    with pytest.raises(RequestError, match="background, nucleus apart"):
        house.predicting.explain(ANN, made.id, "vessel")
    far = Box(left=900, top=0, right=950, bottom=20)
    with pytest.raises(RequestError, match="outside"):
        house.predicting.explain(ANN, made.id, "nucleus", box=far)
    with pytest.raises(NotSignedInError):
        house.predicting.explain(NOBODY, made.id, "nucleus")


def test_heat_lies_where_it_was_found_at_any_size() -> None:
    """A window of the lower right quarter fills that quarter and nothing else."""
    found = Explained(
        heat=np.ones((10, 10), np.float32),
        window=Box(left=50, top=100, right=100, bottom=200),
        shape=(200, 100),
        class_name="x",
        verdict="supported",
        sentence="",
    )
    heat = found.at(20, 10)
    assert heat[10:, 5:].min() == 1
    assert heat.sum() == 50
    black = np.zeros((20, 10, 3), np.uint8)
    seen = Seen(
        picture=black,
        mask=black[..., 0],
        uncertainty=black[..., 0],
        probabilities=None,
        classes=("background", "x"),
        scale=0.1,
    )
    shown = pictures.decode(views.heat(seen, heat))
    assert shown[:8, :4].max() < 40
    assert shown[12:, 7:].mean() > 60
