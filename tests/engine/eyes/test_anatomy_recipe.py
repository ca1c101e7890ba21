"""The recipe of the anatomy network: samples keep their truth, training goes on and resumes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine.errors import InputError
from engine.eyes.anatomy import AnatomyReader
from engine.eyes.anatomy_recipe.__main__ import export
from engine.eyes.anatomy_recipe.measuring import (
    marked_photographs,
    measure_photographs,
    measure_rendered,
)
from engine.eyes.anatomy_recipe.samples import Sample, make_sample, varied
from engine.eyes.anatomy_recipe.training import Plan, encoded, train
from engine.eyes.rendered import render_eye


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """Forty samples of the training's kind."""
    return [make_sample(np.random.default_rng((3, seed))) for seed in range(40)]


def test_samples_have_the_networks_size(samples: list[Sample]) -> None:
    """Pixels and labels are 128×144, labels 0..3."""
    for sample in samples:
        assert sample.pixels.shape == (128, 144, 3)
        assert sample.labels.shape == (128, 144)
        assert sample.labels.max() <= 3


def test_presence_goes_with_labels(samples: list[Sample]) -> None:
    """A sample that shows an eye has labelled pixels; one that does not has none to speak of."""
    present = [sample.present for sample in samples]
    assert 0.5 < np.mean(present) < 0.95
    for sample in samples:
        assert ((sample.labels > 0).mean() > 0.002) == sample.present


def test_a_seed_is_a_sample() -> None:
    """The same generator state gives the same sample."""
    first, again = (make_sample(np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(first.pixels, again.pixels)
    assert first.left == again.left


def test_variations_keep_pixels_and_truth_together() -> None:
    """Marks painted where the corners are still lie at the corners after turning and mirroring."""
    pixels = np.zeros((128, 144, 3), np.uint8)
    labels = np.zeros((128, 144), np.uint8)
    cv2.circle(pixels, (40, 60), 3, (255, 0, 0), -1)
    cv2.circle(pixels, (100, 70), 3, (0, 255, 0), -1)
    labels[55:75, 40:101] = 1
    sample = Sample(
        pixels=pixels, labels=labels, left=((40.5, 60.5),), right=((100.5, 70.5),), present=True
    )
    mirrored = 0
    for seed in range(20):
        changed = varied(np.random.default_rng(seed), sample)
        assert changed.left[0][0] < changed.right[0][0]
        x, y = (int(value) for value in changed.left[0])
        if not (4 < x < 140 and 4 < y < 124):
            continue
        spot = changed.pixels[y - 1 : y + 2, x - 1 : x + 2].astype(int).mean(axis=(0, 1))
        assert spot[:2].max() > 60
        mirrored += spot[1] > spot[0]
    assert 3 <= mirrored <= 17


def test_corners_become_bumps() -> None:
    """A corner inside the view has a bump of height near 1 at half its coordinates."""
    eye = make_sample(np.random.default_rng(4))
    sample = Sample(
        pixels=eye.pixels,
        labels=eye.labels,
        left=((51.0, 33.0),),
        right=((-20.0, 5.0),),
        present=True,
    )
    heat = encoded(sample)["corners"].numpy()
    row, column = np.unravel_index(heat[0].argmax(), heat[0].shape)
    assert (row, column) == (16, 25)
    assert heat[0].max() == pytest.approx(1.0)
    assert heat[1].max() == 0.0


@pytest.mark.slow
def test_training_resumes_and_exports(tmp_path: Path) -> None:
    """A few steps, a checkpoint, a second start from it, and a folder that the reader opens."""
    plan = Plan(minutes=0.05, batch=4, renderers=0, keep_every=1)
    checkpoint = tmp_path / "kept.ckpt"
    train(plan, checkpoint=checkpoint)
    first = torch.load(checkpoint, weights_only=True)["step"]
    net = train(replace(plan, minutes=0.09), checkpoint=checkpoint)
    assert torch.load(checkpoint, weights_only=True)["step"] > first > 0
    card = export(net, tmp_path / "model", minutes=plan.minutes)
    assert set(card.outputs) == {"labels", "corners", "presence"}
    reader = AnatomyReader.open(tmp_path / "model", threads=1)
    figures = measure_rendered(reader, count=1)
    assert figures["pictures"] == 8
    assert all(0 <= figures[f"iou_{name}"] <= 1 for name in ("sclera", "iris", "pupil"))


def test_marked_photographs_are_one_of_each_group(tmp_path: Path) -> None:
    """Of two marked files of one group the first is measured; unmarked ones are left out."""
    for name in ("a", "b", "c"):
        eye = render_eye(np.random.default_rng(ord(name)), condition="Healthy", framing="canonical")
        cv2.imwrite(str(tmp_path / f"{name}.png"), eye.picture[..., ::-1])
    (tmp_path / "labels.csv").write_text(
        "file,class,group\na.png,Healthy,g1\nb.png,Healthy,g1\nc.png,Healthy,g2\n"
    )
    marks = tmp_path / "marks.json"
    marks.write_text(json.dumps({"a.png": [35, 96, 180, 96], "b.png": [35, 96, 180, 96]}))
    found = list(marked_photographs(tmp_path, marks))
    assert [photograph.name for photograph in found] == ["a.png"]
    figures = measure_photographs(AnatomyReader.open(threads=1), iter(found))
    assert figures["photographs"] == 1
    assert figures["corner_error_median"] < 0.2


def test_a_folder_without_table_is_refused(tmp_path: Path) -> None:
    """The error names the file that is missing."""
    with pytest.raises(InputError, match=r"Expected the file 'labels\.csv'"):
        list(marked_photographs(tmp_path, tmp_path / "marks.json"))
