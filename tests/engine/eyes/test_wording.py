"""The words of results: always there, never alarming, never a diagnosis."""

from __future__ import annotations

import itertools

import pytest

from engine.eyes import quality as quality_module
from engine.eyes import wording
from engine.eyes.results import EyeFinding
from tests.engine.eyes.findings import finding

CLASSES = ("Cataract", "Conjunctivitis", "Healthy", "Stye")
ALL = [
    *(finding("likely", label=label, prediction_set=(label,)) for label in (*CLASSES, "Uveitis")),
    *(
        finding("uncertain", label=names[0], prediction_set=names)
        for count in range(1, 5)
        for names in itertools.combinations(CLASSES, count)
    ),
    finding("uncertain", prediction_set=()),
    finding("retake"),
    finding("not_an_eye"),
]


@pytest.mark.parametrize("found", ALL)
def test_every_result_has_words(found: EyeFinding) -> None:
    """Title, explanation and at least one thing to do exist for every decision and class."""
    words = wording.words_for(found)
    assert 0 < len(words.title) <= 90
    assert words.explanation.endswith(".")
    assert words.next_steps
    assert all(step.endswith(".") for step in words.next_steps)


@pytest.mark.parametrize("found", ALL)
def test_words_neither_diagnose_nor_alarm(found: EyeFinding) -> None:
    """No sentence says that somebody has something, is ill, well, or in danger."""
    words = wording.words_for(found)
    text = " ".join((words.title, words.explanation, *words.next_steps)).lower()
    for phrase in (
        "you have",
        "you are",
        "diagnos",
        "disease",
        "suffer",
        "danger",
        "emergency",
        "immediately",
        "urgent",
        "warning",
        "blind",
        "is healthy",
        "nothing is wrong",
        "no sign",
    ):
        assert phrase not in text


def test_experimental_classes_say_so() -> None:
    """A stye, likely or possible, is always marked as experimental."""
    likely = wording.words_for(finding("likely", label="Stye", prediction_set=("Stye",)))
    assert "experimental" in likely.title
    assert "too few photographs" in likely.explanation
    unsure = wording.words_for(finding("uncertain", prediction_set=("Healthy", "Stye")))
    assert unsure.title == "Not clear: Healthy or Stye (experimental)"


def test_uncertain_names_what_stays_possible() -> None:
    """One, several or no class left: the title tells which."""
    three = finding("uncertain", prediction_set=("Cataract", "Conjunctivitis", "Healthy"))
    title = "Not clear: Cataract, Conjunctivitis or Healthy"
    assert wording.words_for(three).title == title
    assert (
        wording.words_for(finding("uncertain", prediction_set=("Healthy",))).title
        == "Not clear, perhaps Healthy"
    )
    assert wording.words_for(finding("uncertain", prediction_set=())).title == "Not clear"


def test_retake_says_what_to_change() -> None:
    """The advice of the measures is what to do next."""
    assert wording.words_for(finding("retake")).next_steps == ("Come closer.",)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, "Not Detected"),
        (finding("not_an_eye"), "Not Detected"),
        (finding("retake"), "Retake"),
        (finding("likely"), "Conjunctivitis"),
        (finding("uncertain", label="Healthy"), "Healthy"),
    ],
)
def test_best_prediction(found: EyeFinding | None, expected: str) -> None:
    """The older service's words stand for the answers without a class."""
    assert wording.best_prediction(found) == expected


def test_absent_eyes_are_named() -> None:
    """An eye that is not in the picture is named by its side."""
    assert wording.words_absent("right").title == "No right eye in view"
    assert wording.words_absent("unknown").title == "No eye in view"


def test_every_measure_of_quality_has_a_title() -> None:
    """Each measure in the table of the quality module has a title of its own."""
    rows = (line.split() for line in (quality_module.__doc__ or "").splitlines())
    names = {row[0] for row in rows if len(row) > 2 and row[1] in ("≥", "≤", "10–90")}
    assert len(names) >= 8
    for name in names:
        assert wording.measure_title(name) != name.capitalize() or name in (
            "glare",
            "contrast",
            "brightness",
        )
