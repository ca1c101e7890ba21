"""The card's figures in sentences: what it has, and nothing that it has not."""

from __future__ import annotations

from dataclasses import replace

from engine.eyes.figures import accuracy_sentences
from engine.inference import cards
from engine.shipped import shipped

CARD = cards.load(shipped("models", "eyes"))
INTERVAL = {"value": 0.5, "low": 0.25, "high": 0.75}


def test_every_figure_becomes_one_sentence() -> None:
    """Counts are added over classes, shares become percent with their interval."""
    metrics = {
        "balanced_accuracy": INTERVAL,
        "by_class": {"A": {"pictures": 4, "groups": 2}, "B": {"pictures": 6, "groups": 3}},
        "decisions": {"likely": 7, "likely_and_right": INTERVAL},
        "no_eye": {"pictures": 40, "given_a_disease": INTERVAL},
    }
    share = "50.0 % (95 % interval 25.0 to 75.0)"
    assert accuracy_sentences(replace(CARD, metrics=metrics, limits=("It is weak.",))) == (
        f"Balanced accuracy over A, B: {share} on 10 pictures of 5 photographs, each judged by a "
        "network that had not seen it.",
        f"A clear result was given for 7 of them and right in {share}.",
        f"Of 40 pictures without an eye, {share} were given a disease.",
        "It is weak.",
    )


def test_a_card_without_figures_gives_its_limits_alone() -> None:
    """Somebody's own model is shown with what its card says, and no made-up accuracy."""
    for metrics in ({}, {"balanced_accuracy": 0.9}, {"no_eye": {"pictures": 4}}):
        bare = replace(CARD, metrics=metrics, limits=("Tested on ten eyes.",))
        assert accuracy_sentences(bare) == ("Tested on ten eyes.",)


def test_the_shipped_card_tells_accuracy_and_limits() -> None:
    """The model that ships states three figures and the lack of any for Stye."""
    sentences = accuracy_sentences(CARD)
    assert len(sentences) == 3 + len(CARD.limits)
    assert any("Stye has 8 photographs" in sentence for sentence in sentences)
