"""What a model's card says about how good it is, in sentences for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.inference.cards import ModelCard

__all__ = ["accuracy_sentences"]


def accuracy_sentences(card: ModelCard) -> tuple[str, ...]:
    """Return the card's figures and then its limits, one sentence each.

    A card whose ``metrics`` lack a figure, such as a hospital's own model, gives no sentence for
    it; nothing is made up.
    """
    metrics: Mapping[str, Any] = card.metrics
    told = [_balanced(metrics), _likely(metrics), _no_eye(metrics)]
    return (*(sentence for sentence in told if sentence), *card.limits)


def _balanced(metrics: Mapping[str, Any]) -> str:
    figure, classes = metrics.get("balanced_accuracy"), metrics.get("by_class")
    if not _is_interval(figure) or not isinstance(classes, Mapping):
        return ""
    assert isinstance(figure, Mapping)
    counts = [row for row in classes.values() if isinstance(row, Mapping)]
    pictures = sum(int(row.get("pictures", 0)) for row in counts)
    groups = sum(int(row.get("groups", 0)) for row in counts)
    return (
        f"Balanced accuracy over {', '.join(classes)}: {_percent(figure)} on {pictures} pictures "
        f"of {groups} photographs, each judged by a network that had not seen it."
    )


def _likely(metrics: Mapping[str, Any]) -> str:
    decisions = metrics.get("decisions")
    if not isinstance(decisions, Mapping) or not _is_interval(decisions.get("likely_and_right")):
        return ""
    share = _percent(decisions["likely_and_right"])
    return f"A clear result was given for {decisions['likely']} of them and right in {share}."


def _no_eye(metrics: Mapping[str, Any]) -> str:
    no_eye = metrics.get("no_eye")
    if not isinstance(no_eye, Mapping) or not _is_interval(no_eye.get("given_a_disease")):
        return ""
    share = no_eye["given_a_disease"]
    return (
        f"Of {no_eye['pictures']} pictures without an eye, {_percent(share)} were given a disease."
    )


def _is_interval(figure: object) -> bool:
    return isinstance(figure, Mapping) and {"value", "low", "high"} <= set(figure)


def _percent(figure: Mapping[str, float]) -> str:
    value, low, high = (100 * figure[name] for name in ("value", "low", "high"))
    return f"{value:.1f} % (95 % interval {low:.1f} to {high:.1f})"
