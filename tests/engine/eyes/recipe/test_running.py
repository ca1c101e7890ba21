"""The whole recipe on a handful of rendered pictures: seconds, and a valid model folder."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import InputError
from engine.eyes.classifier import EyeClassifier
from engine.eyes.recipe import drawn, running, samples
from engine.eyes.recipe.running import Recipe
from engine.eyes.recipe.samples import CLASSES


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write rendered eyes as a folder of photographs: 4 groups of each class."""
    folder = tmp_path_factory.mktemp("eyes")
    rows = []
    for index in range(16):
        sample = drawn.drawn_sample(index, label=index % 4)
        name = f"eye{index}.png"
        cv2.imwrite(str(folder / name), cv2.cvtColor(sample.pixels, cv2.COLOR_RGB2BGR))
        rows.append({"file": name, "class": CLASSES[sample.label], "group": f"g{index}"})
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["file", "class", "group"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def tiny(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Return a recipe that takes seconds."""
    return Recipe(
        data=photographs,
        out=tmp_path_factory.mktemp("model"),
        work=tmp_path_factory.mktemp("work"),
        folds=2,
        jobs=1,
        drawings=12,
        pretraining_steps=2,
        fold_steps=2,
        final_steps=2,
        batch=(4, 4, 4),
        pretraining_batch=(8, 4),
        use_serving_path=False,
        unseen=4,
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_writes_a_model_folder_that_opens_and_answers(tiny: Recipe) -> None:
    """Training, cross-validation, export and card in one go; then the folder is a model."""
    figures = running.run(tiny)
    assert 0 <= figures["balanced_accuracy"]["value"] <= 1  # type: ignore[index]
    model = EyeClassifier.open(tiny.out, precision="f32", threads=1)
    (found,) = model.classify(np.zeros((1, 128, 144, 3), np.uint8))
    assert set(found.calibrated) == set(CLASSES)
    assert model.explains
    stored = json.loads((tiny.out / "metrics.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(figures))
    names = [line.split(",")[0] for line in (tiny.out / "out_of_fold.csv").open(encoding="utf-8")]
    assert not any(name.startswith("eye") for name in names)  # hashes only


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_goes_on_where_it_was_stopped(tiny: Recipe) -> None:
    """A second run reads every step from the work folder: no network is trained again."""
    running.run(tiny)
    before = (tiny.work / "final.pt").stat().st_mtime_ns
    running.run(tiny)
    assert (tiny.work / "final.pt").stat().st_mtime_ns == before


def test_a_folder_without_a_table_is_refused(tiny: Recipe, tmp_path: Path) -> None:
    """The message names the file that is missing."""
    with pytest.raises(InputError, match=r"needs a labels\.csv"):
        running.run(replace(tiny, data=tmp_path, work=tmp_path / "work"))


def test_an_unknown_class_is_refused(tmp_path: Path) -> None:
    """The message names the classes that exist and the file."""
    (tmp_path / "labels.csv").write_text("file,class,group\nx.png,Glaucoma,g1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"x\.png has 'Glaucoma'"):
        list(samples.photographs(tmp_path))
