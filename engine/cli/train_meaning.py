"""What the values of masks mean for a training: what a person says, else what is seen in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from engine.datasets.conventions import checked_mapping
from engine.datasets.surveying import Survey
from engine.errors import DatasetError, RequestError

__all__ = ["FOREGROUND", "Meaning", "meaning_of", "parse_mapping"]

FOREGROUND: Final = "foreground"
"""What the only class is called where nobody gave it a name."""

_STATES: Final = ("unhealthy", "healthy")
_NO_CLASS: Final = ("background", "not_annotated")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """``mapping`` from labels to classes, the ``classes`` (background first), and why."""

    mapping: Mapping[str, str] = field(hash=False)
    classes: tuple[str, ...]
    sentences: tuple[str, ...] = ()


def parse_mapping(given: Sequence[str]) -> dict[str, str]:
    """Read ``["255=gland", "0=background,128=vessel"]``.

    Raises
    ------
    RequestError
        When a pair has no ``=``.
    """
    pairs = [pair.partition("=") for text in given for pair in text.split(",") if pair.strip()]
    for key, middle, target in pairs:
        if not middle or not key.strip() or not target.strip():
            raise RequestError(
                f"--mapping takes VALUE=CLASS, for example 255=gland, but got {key[:60]!r}."
            )
    return {key.strip(): target.strip() for key, _, target in pairs}


def meaning_of(seen: Survey, given: Mapping[str, str]) -> Meaning:
    """Return what the labels mean: ``given`` where it says something, else what was seen.

    A guess that knows one class only calls it ``foreground``.

    Raises
    ------
    DatasetError
        When there are no labels, or no class beside the background.
    RequestError
        When ``given`` is not usable.
    """
    if seen.convention is None:
        raise DatasetError(
            f"Expected pictures with masks or outlines, but {seen.title} has none that can be "
            "read; put the masks beside the pictures, for example as images/ and masks/ with the "
            f"same names. {' '.join(seen.notes[:3])}".rstrip()
        )
    told = checked_mapping(given, may_name_classes=True) if given else {}
    guessed = dict(seen.mapping)
    if not seen.convention.is_certain and set(guessed.values()) & set(_STATES) == {"unhealthy"}:
        guessed = {k: FOREGROUND if v == "unhealthy" else v for k, v in guessed.items()}
    if "*" in told:
        guessed = {key: target for key, target in guessed.items() if key == "0"}
    mapping = guessed | told
    classes = _classes(mapping)
    if len(classes) < 2:
        raise DatasetError(
            "Expected a class beside the background, but the masks look empty: "
            f"{' '.join(seen.convention.sentences)} Say what their values mean with --mapping, "
            "for example --mapping 255=gland."
        )
    return Meaning(mapping=mapping, classes=classes, sentences=seen.convention.sentences)


def _classes(mapping: Mapping[str, str]) -> tuple[str, ...]:
    """Return the classes that a mapping names: states in their usual order, others as they come."""
    named = [name for name in dict.fromkeys(mapping.values()) if name not in _NO_CLASS]
    states = [name for name in _STATES if name in named]
    return ("background", *states, *(name for name in named if name not in _STATES))
