"""The evaluation, on drawn pictures with models whose answers are known."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import InputError, JobCancelledError
from engine.training.evaluating import Evaluation, evaluate, evaluation_steps, write_evaluation
from tests.engine.training.evaluating.pictures import answer_by_brightness, drawn

CLASSES = ("background", "nucleus")


def _evaluated(sureness: float = 4.0) -> Evaluation:
    return evaluate(
        answer_by_brightness(sureness),
        CLASSES,
        validation=[drawn(seed, wrong_rows=4) for seed in range(3)],
        test=[drawn(10 + seed, group=f"g{seed % 4}", wrong_rows=seed) for seed in range(8)],
    )


def test_figures_are_those_of_the_test_pictures() -> None:
    """A picture whose last n rows have the opposite truth has a Dice that can be counted."""
    found = _evaluated()
    assert (found.part, len(found.cases), found.groups) == ("test", 8, 4)
    for seed, case in enumerate(found.cases):
        _, truth = drawn(10 + seed, wrong_rows=seed).pair
        _, bright = drawn(10 + seed).pair
        both = int(((truth == 1) & (bright == 1)).sum())
        expected = 2 * both / int((truth == 1).sum() + (bright == 1).sum())
        assert case.mean_dice == pytest.approx(expected)
        assert case.values["dice"]["nucleus"] == pytest.approx(expected)
    mean = np.mean([case.mean_dice for case in found.cases])
    assert found.mean_dice.value == pytest.approx(mean)
    assert found.mean_dice.low < mean < found.mean_dice.high
    assert found.confusion.sum() == 8 * 40 * 50
    assert found.notes == ()


def test_the_temperature_comes_from_the_validation_pictures() -> None:
    """A tenth of their pixels is wrong: the temperature makes a sure model 90 % sure."""
    found = _evaluated(sureness=8.0)
    # 8 / t = ln(0.9 / 0.1)
    assert found.temperature == pytest.approx(8.0 / np.log(9.0), rel=0.02)
    filled = [one for one in found.reliability if one.count]
    assert [one.confidence for one in filled] == [pytest.approx(0.9, abs=0.01)]
    wrong = np.mean([50 * seed / 2000 for seed in range(8)])
    assert filled[0].accuracy == pytest.approx(1 - wrong, abs=1e-6)
    assert found.calibration_error == pytest.approx(abs(0.9 - (1 - wrong)), abs=0.01)
    assert found.calibration_error_before > found.calibration_error


def test_each_test_picture_is_looked_at_once() -> None:
    """Test pictures are loaded one time; validation pictures are not scored."""
    test = [drawn(seed) for seed in range(3)]
    validation = [drawn(9, wrong_rows=20)]
    found = evaluate(answer_by_brightness(4.0), CLASSES, validation=validation, test=test)
    assert [len(one.loads) for one in (*test, *validation)] == [1, 1, 1, 1]
    assert found.mean_dice.value == 1.0
    assert found.validation_pictures == 1


def test_without_test_pictures_it_says_so() -> None:
    """The figures of validation pictures are called that; without any there are none."""
    found = evaluate(answer_by_brightness(4.0), CLASSES, validation=[drawn(1)], test=[])
    assert found.part == "validation"
    assert any("flatter" in note for note in found.notes)
    assert any("1 pictures are too few" in note for note in found.notes)
    nothing = evaluate(answer_by_brightness(4.0), CLASSES, validation=[], test=[])
    assert (nothing.part, nothing.temperature, nothing.cases) == ("none", 1.0, ())
    assert nothing.to_json()["mean_dice"]["value"] is None
    assert any("No picture was held back" in note for note in nothing.notes)


def test_pixels_that_nobody_annotated_count_nowhere() -> None:
    """With the wrong rows not annotated, the model is perfect, and as sure as it can be."""
    upside_down = drawn(3, ignored_rows=4)
    found = evaluate(
        answer_by_brightness(4.0), CLASSES, validation=[upside_down], test=[upside_down]
    )
    assert found.mean_dice.value == 1.0
    assert found.confusion.sum() == 36 * 50
    unknown = drawn(4, ignored_rows=40)
    blind = evaluate(answer_by_brightness(4.0), CLASSES, validation=[unknown], test=[unknown])
    assert (blind.temperature, blind.to_json()["mean_dice"]["value"]) == (1.0, None)
    assert blind.gallery == ()


def test_classes_that_no_picture_holds() -> None:
    """A third class that is never true and never answered has no figures, and spoils none."""
    found = evaluate(
        answer_by_brightness(4.0, classes=3),
        (*CLASSES, "gland"),
        validation=[drawn(1)],
        test=[drawn(2), drawn(3)],
    )
    assert found.mean_dice.value == 1.0
    assert found.figures["dice"]["gland"].pictures == 0
    assert found.to_json()["dice"]["gland"]["value"] is None


def test_the_document_holds_everything(tmp_path: Path) -> None:
    """metrics.json is plain JSON: figures, table, diagram, one row for each picture, files."""
    written = write_evaluation(_evaluated(), tmp_path)
    document = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert document["part"] == "test"
    assert set(document["mean_dice"]) == {"value", "low", "high", "pictures"}
    for measure in ("dice", "iou", "precision", "recall", "object_f1", "hausdorff_95_px"):
        assert document[measure]["nucleus"]["pictures"] > 0, measure
        assert measure in document["cases"][0]
    assert np.sum(document["confusion"]["pixels"]) == 8 * 40 * 50
    assert sum(one["pixels"] for one in document["reliability"]) == 8 * 40 * 50
    assert document["objects"]["nucleus"]["found"] == 8
    assert {path.name for path in written} == {
        "metrics.json",
        *(entry["file"] for entry in document["gallery"]),
    }


def test_the_gallery_shows_the_worst_and_the_best(tmp_path: Path) -> None:
    """Four of each, no picture twice, each a PNG of two pictures side by side."""
    found = _evaluated()
    write_evaluation(found, tmp_path)
    worst = [one.name for one in found.gallery if one.kind == "worst"]
    best = [one.name for one in found.gallery if one.kind == "best"]
    order = sorted(found.cases, key=lambda case: case.mean_dice)
    assert worst == [case.name for case in order[:4]]
    assert best == [case.name for case in order[:-5:-1]]
    shown = cv2.imread(str(tmp_path / "worst_1.png"))
    assert shown.shape == (128, 2 * 160 + 6, 3)


def test_progress_and_stopping() -> None:
    """Each picture is a step; what the check raises ends the evaluation."""
    seen: list[tuple[int, int]] = []
    evaluate(
        answer_by_brightness(4.0),
        CLASSES,
        validation=[drawn(1)],
        test=[drawn(2), drawn(3)],
        tell=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]

    def stop() -> None:
        raise JobCancelledError("Stopped.")

    test = [drawn(4)]
    with pytest.raises(JobCancelledError):
        evaluate(answer_by_brightness(4.0), CLASSES, validation=[], test=test, check=stop)
    assert test[0].loads == []


@pytest.mark.parametrize("classes", [3, 1])
def test_an_answer_of_other_classes_is_refused(classes: int) -> None:
    """A model with another number of classes than the truth has."""
    names = ("background", "nucleus", "gland")[:classes]
    steps = evaluation_steps(answer_by_brightness(4.0), names, validation=[], test=[drawn(1)])
    with pytest.raises(InputError, match="Expected logits"):
        next(steps)
