"""Folds, nested calibration and the figures, against answers that are known by construction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.eyes.classifier import DecisionRule
from engine.eyes.recipe import validation
from engine.eyes.recipe.validation import Outcome

RULE = DecisionRule(minimum_probability=0.6, minimum_evidence=0.5, evidence_for_disease=0.8)


def outcome(
    label: int,
    guess: int,
    *,
    group: str,
    fold: int,
    key: str | None = None,
    kind: str = "photograph",
    evidence: float = 6.0,
    sure: float = 3.0,
) -> Outcome:
    """Return an answer whose best class is ``guess``."""
    logits = [0.0] * 4
    logits[guess] = sure
    return Outcome(
        key=key or group,
        group=group,
        kind=kind,
        label=label,
        fold=fold,
        found=True,
        evidence=evidence,
        logits=tuple(logits),
    )


def cohort(wrong: int = 0) -> list[Outcome]:
    """Return 20 groups of each measured class in 5 folds; ``wrong`` cataracts called healthy."""
    return [
        outcome(label, 2 if label == 0 and i < wrong else label, group=f"{label}-{i}", fold=i % 5)
        for label in (0, 1, 2)
        for i in range(20)
    ]


def test_groups_are_dealt_evenly_and_once() -> None:
    """Each class differs by at most one group between folds."""
    labels = {f"g{i}": i % 3 for i in range(47)}
    dealt = validation.folds_of(labels, folds=5)
    assert dealt.keys() == labels.keys()
    for label in range(3):
        counts = np.bincount([dealt[g] for g, k in labels.items() if k == label], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_too_few_groups_are_refused() -> None:
    """The message gives both counts."""
    with pytest.raises(InputError, match="5 folds and 2 groups"):
        validation.folds_of({"a": 0, "b": 1}, folds=5)


def test_balanced_accuracy_is_the_mean_of_the_classes() -> None:
    """5 of 20 cataracts wrong, nothing else: (0.75 + 1 + 1) / 3."""
    found = validation.figures(cohort(wrong=5), rule=RULE, repeats=20)
    assert found["balanced_accuracy"]["value"] == pytest.approx((0.75 + 1 + 1) / 3, abs=1e-4)  # type: ignore[index]
    assert found["confusion"]["Cataract"] == {  # type: ignore[index]
        "Cataract": 15,
        "Conjunctivitis": 0,
        "Healthy": 5,
        "Stye": 0,
    }


def test_copies_of_a_photograph_count_once() -> None:
    """Nine wrong copies of one cataract weigh as one wrong photograph: 19 / 20."""
    copies = [outcome(0, 2, group="0-0", fold=0, key=f"copy-{i}") for i in range(9)]
    rest = [o for o in cohort() if o.group != "0-0"]
    found = validation.figures(copies + rest, rule=RULE, repeats=20)
    assert found["balanced_accuracy"]["value"] == pytest.approx((0.95 + 1 + 1) / 3, abs=1e-4)  # type: ignore[index]
    assert found["by_class"]["Cataract"]["groups"] == 20  # type: ignore[index]


def test_calibration_never_sees_the_judged_fold() -> None:
    """A fold whose answers are all wrong does not change the temperature it is judged with."""
    clean = cohort(wrong=3)
    spoilt = [
        outcome(o.label, (o.label + 1) % 3, group=o.group, fold=0) if o.fold == 0 else o
        for o in clean
    ]
    judged, spoilt_judged = validation._judged(clean), validation._judged(spoilt)
    for o in clean:
        if o.fold == 0:
            assert sorted(judged[o.key][0]) == pytest.approx(sorted(spoilt_judged[o.key][0]))


def test_pictures_without_an_eye_are_counted_by_kind() -> None:
    """One of four is answered with a disease; one is taken for a healthy eye."""
    others = [
        outcome(-1, 0, group="n0", fold=0, kind="coins", evidence=5.0),
        outcome(-1, 2, group="n1", fold=0, kind="coins", evidence=5.0),
        outcome(-1, 0, group="n2", fold=1, kind="text", evidence=-5.0),
        outcome(-1, 0, group="n3", fold=1, kind="text", evidence=1.0),
    ]
    found = validation.figures([*cohort(), *others], rule=RULE, repeats=5)["no_eye"]
    assert found["given_a_disease"]["value"] == 0.25  # type: ignore[index]
    assert found["taken_for_an_eye"]["value"] == 0.5  # type: ignore[index]
    assert found["diseases_by_kind"] == {"coins": 1}  # type: ignore[index]


def test_stye_borrows_the_strictest_threshold() -> None:
    """It has too few photographs for its own; it must not be in every set."""
    fitted = validation.calibrate(cohort(wrong=4))
    known = [fitted.thresholds[name] for name in validation.CLASSES[:3]]
    assert fitted.thresholds["Stye"] == min(known)


def test_outcomes_survive_a_file(tmp_path: Path) -> None:
    """What is written is read, to four digits."""
    written = cohort(wrong=1)
    validation.write_outcomes(tmp_path / "o.csv", written)
    assert validation.read_outcomes(tmp_path / "o.csv") == written


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    """The message names the columns."""
    (tmp_path / "o.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="needs the columns key, group"):
        validation.read_outcomes(tmp_path / "o.csv")
