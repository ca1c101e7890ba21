"""Conformal sets against hand arithmetic, and their promise on simulated pictures."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError
from engine.inference import conformal


def two_classes(p_first: list[float]) -> np.ndarray:
    first = np.asarray(p_first)
    return np.stack([first, 1 - first], axis=1)


def test_the_threshold_is_the_right_rank() -> None:
    """Class a has 1 - p = 0.1 … 0.9; ranks for coverage 0.5, 0.7, 0.9 are 5, 7, 9 of 9."""
    probabilities = two_classes([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    labels = np.zeros(9, int)
    for coverage, expected in ((0.5, 0.5), (0.7, 0.7), (0.9, 0.9)):
        found = conformal.fit_thresholds(
            probabilities, labels, classes=["a", "b"], coverage=coverage
        )
        assert found["a"] == pytest.approx(expected)


def test_the_rank_does_not_suffer_from_binary_fractions() -> None:
    """ceil(30 * 0.9) is 27; in floating point some such products land above the whole number."""
    nonconformity = np.arange(1, 30) / 30
    found = conformal.fit_thresholds(
        two_classes(list(1 - nonconformity)), np.zeros(29, int), classes=["a", "b"], coverage=0.9
    )
    assert found["a"] == pytest.approx(27 / 30)


def test_tiny_classes_are_always_kept() -> None:
    """Eight pictures cannot promise 0.9: rank ceil(9 * 0.9) = 9 of 8; nine can."""
    eight = conformal.fit_thresholds(
        two_classes([0.9] * 8), np.zeros(8, int), classes=["a", "b"], coverage=0.9
    )
    nine = conformal.fit_thresholds(
        two_classes([0.9] * 9), np.zeros(9, int), classes=["a", "b"], coverage=0.9
    )
    assert eight["a"] == conformal.ALWAYS_KEPT
    assert nine["a"] == pytest.approx(0.1)
    assert eight["b"] == nine["b"] == conformal.ALWAYS_KEPT  # no picture at all
    assert "b" in conformal.prediction_set([1.0, 0.0], nine, ["a", "b"])


def test_minimum_pictures_is_where_thresholds_become_finite() -> None:
    """The number is the smallest n with n >= coverage / (1 - coverage)."""
    assert [conformal.minimum_pictures(c) for c in (0.5, 0.8, 0.9, 0.95)] == [1, 4, 9, 19]


def test_one_threshold_for_all() -> None:
    """Without conditions all classes are ranked together: rank ceil(5 * 0.6) = 3 of 4."""
    probabilities = two_classes([0.9, 0.8, 0.3, 0.4])  # 1 - p(truth): 0.1, 0.2, 0.3, 0.4
    found = conformal.fit_thresholds(
        probabilities, [0, 0, 1, 1], classes=["a", "b"], coverage=0.6, class_conditional=False
    )
    assert found == {"a": pytest.approx(0.3), "b": pytest.approx(0.3)}


def test_sets_are_ordered_by_probability() -> None:
    """A class stays when 1 - p does not exceed its own threshold; the limit is included."""
    thresholds = {"a": 0.5, "b": 0.75, "c": 0.2}
    classes = ["a", "b", "c"]
    assert conformal.prediction_set([0.25, 0.5, 0.25], thresholds, classes) == ("b",)
    assert conformal.prediction_set([0.5, 0.25, 0.25], thresholds, classes) == ("a", "b")


def test_a_set_may_be_empty() -> None:
    """A picture unlike all calibration pictures has no class."""
    assert conformal.prediction_set([0.5, 0.5], {"a": 0.1, "b": 0.1}, ["a", "b"]) == ()


def simulated(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy probabilities of three classes, the third rare and hard."""
    labels = random.choice(3, size=count, p=[0.6, 0.3, 0.1])
    logits = random.normal(size=(count, 3)) + 2.0 * np.eye(3)[labels]
    logits[labels == 2] -= [0.0, 0.0, 1.5]
    exponents = np.exp(logits)
    return exponents / exponents.sum(axis=1, keepdims=True), labels


def test_each_class_gets_its_coverage() -> None:
    """On average over 60 calibrations every class is held in 90 % of new pictures, within 2 points.

    Unconditional thresholds leave the hard, rare class far below that.
    """
    random = np.random.default_rng(5)
    classes = ["a", "b", "c"]
    test_p, test_y = simulated(random, 1500)
    nonconformity = 1 - test_p[np.arange(len(test_y)), test_y]
    held = {True: np.zeros(3), False: np.zeros(3)}
    repeats = 60
    for _ in range(repeats):
        p, y = simulated(random, 500)
        for conditional, sums in held.items():
            q = conformal.fit_thresholds(
                p, y, classes=classes, coverage=0.9, class_conditional=conditional
            )
            limits = np.array([q[name] for name in classes])[test_y]
            sums += [(nonconformity <= limits)[test_y == k].mean() / repeats for k in range(3)]
    np.testing.assert_allclose(held[True], 0.9, atol=0.02)
    assert held[False][2] < 0.8


def test_coverage_is_reported_by_class() -> None:
    """Counts by hand: a held 2 of 2, b 0 of 1; sets have sizes 1, 2, 1."""
    probabilities = [[0.9, 0.1], [0.5, 0.5], [0.8, 0.2]]
    report = conformal.measure_coverage(probabilities, [0, 0, 1], {"a": 0.5, "b": 0.5}, ["a", "b"])
    assert report.overall.value == pytest.approx(2 / 3)
    assert {name: entry.value for name, entry in report.by_class.items()} == {"a": 1.0, "b": 0.0}
    assert report.mean_size == pytest.approx(4 / 3)
    assert (report.single, report.empty) == (pytest.approx(2 / 3), 0.0)


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90.0, float("nan")])
def test_coverage_lies_between_0_and_1(coverage: float) -> None:
    """Percent are refused."""
    with pytest.raises(InputError, match="coverage should lie between 0 and 1"):
        conformal.fit_thresholds([[1.0, 0.0]], [0], classes=["a", "b"], coverage=coverage)


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        ([[0.5, 0.5]], [0, 1], r"probabilities \(N, 2\)"),
        ([[0.5, 0.3, 0.2]], [0], r"probabilities \(N, 2\)"),
        ([[1.5, -0.5]], [0], "probabilities in 0..1"),
        ([[0.5, 0.5]], [2], "whole numbers from 0 to 1"),
        (np.empty((0, 2)), np.empty(0, int), "at least one picture"),
    ],
)
def test_wrong_arrays_are_refused(probabilities: object, labels: object, message: str) -> None:
    """Shapes and ranges are checked, with a sentence."""
    with pytest.raises(InputError, match=message):
        conformal.fit_thresholds(probabilities, labels, classes=["a", "b"])


def test_a_set_needs_all_thresholds() -> None:
    """A class without a threshold is an error, not silently left out."""
    with pytest.raises(InputError, match=r"there is none for \['b'\]"):
        conformal.prediction_set([0.5, 0.5], {"a": 0.1}, ["a", "b"])
    with pytest.raises(InputError, match="Expected 2 finite probabilities"):
        conformal.prediction_set([0.5], {"a": 0.1, "b": 0.2}, ["a", "b"])
