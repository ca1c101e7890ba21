"""The card of the shipped eye model says what its stored answers say, and what was promised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.eyes.classifier import EyeClassifier, rule_of
from engine.eyes.recipe import samples, validation
from engine.eyes.recipe.serving import ServingPath
from engine.inference import cards
from engine.inference.cards import ModelCard
from engine.shipped import shipped


@pytest.fixture(scope="module")
def card() -> ModelCard:
    """Return the card in assets/models/eyes."""
    return cards.load(shipped("models", "eyes"))


@pytest.fixture(scope="module")
def recomputed(card: ModelCard) -> dict[str, Any]:
    """Return the figures computed anew from the stored out-of-fold answers."""
    folder = shipped("models", "eyes")
    outcomes = validation.read_outcomes(folder / str(card.details["out_of_fold"]))
    figures = validation.figures(outcomes, rule=rule_of(card))
    found: dict[str, Any] = json.loads(json.dumps(figures))
    return found


def test_every_figure_of_the_card_can_be_recomputed(
    card: ModelCard, recomputed: dict[str, Any]
) -> None:
    """Nothing in the card's metrics was typed by hand."""
    assert recomputed == json.loads(json.dumps(card.metrics))


def test_the_promises_are_kept(recomputed: dict[str, Any]) -> None:
    """Grouped cross-validation: accuracy, calibration, coverage, and pictures without an eye."""
    assert recomputed["balanced_accuracy"]["value"] >= 0.85
    assert recomputed["calibration"]["expected_calibration_error"] <= 0.06
    assert abs(recomputed["conformal"]["measured"]["value"] - 0.9) <= 0.03
    assert recomputed["no_eye"]["pictures"] >= 200
    assert recomputed["no_eye"]["given_a_disease"]["value"] <= 0.02


def test_no_figure_is_given_for_stye(recomputed: dict[str, Any]) -> None:
    """It has eight photographs; only as a wrong guess does its name occur."""
    assert "Stye" not in recomputed["by_class"]
    assert "Stye" not in recomputed["conformal"]["by_class"]


def test_the_border_of_a_picture_does_not_tell_its_class(recomputed: dict[str, Any]) -> None:
    """With the eye painted over, the answers of the folds are near chance (one in three)."""
    assert recomputed["other_views"]["border_only"]["value"] <= 0.5


def test_the_card_names_each_source_with_its_licence_as_stated(card: ModelCard) -> None:
    """Both sources of photographs state no licence, and 237 groups are counted."""
    photographs = [d for d in card.data if d.name.startswith("External eye photographs")]
    assert [d.licence for d in photographs] == ["none stated", "none stated"]
    assert sum(d.groups for d in photographs) == 237
    assert sum(d.images for d in photographs) == 737


@pytest.mark.shared_data
def test_the_served_path_reads_real_photographs(shared_data: Path) -> None:
    """Ten groups of each class through finders, crop and classifier: 80 % right or better.

    The shipped network has learned from these photographs, so this checks the path between a file
    and an answer; how good the model is on others is what the cross-validation says.
    """
    folder = shared_data / "eyes" / "external_eye"
    first = {row["group"]: row for row in reversed(samples.table_of(folder))}
    path, model = ServingPath(), EyeClassifier.open(shipped("models", "eyes"), threads=1)
    shares = []
    for name in ("Cataract", "Conjunctivitis", "Healthy"):
        rows = [row for _, row in sorted(first.items()) if row["class"] == name][::7][:10]
        crops = [path.crop(samples.read_picture(folder / row["file"])).crop for row in rows]
        answers = model.classify(np.stack(crops))
        shares.append(np.mean([answer.label == name for answer in answers]))
    assert np.mean(shares) >= 0.8
