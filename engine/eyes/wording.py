"""What a result says to a person: one place for the words of pages, reports and JSON.

The words describe what a picture resembles. They never name an illness as a finding, never alarm,
and never say that all is well. General advice follows the public pages of the British NHS on
conjunctivitis, cataracts and styes (nhs.uk/conditions, read 2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

from engine.eyes.results import Decision, EyeFinding, Side

__all__ = [
    "BEST_PREDICTION_ABSENT",
    "BEST_PREDICTION_RETAKE",
    "DECISIONS",
    "NOTICE",
    "Words",
    "best_prediction",
    "class_title",
    "decision_title",
    "measure_title",
    "side_title",
    "words_absent",
    "words_for",
]

NOTICE = "Research demonstrator, not a medical device."

BEST_PREDICTION_RETAKE = "Retake"
BEST_PREDICTION_ABSENT = "Not Detected"
"""What clients of the older service read in ``best_prediction`` when there is no class."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A result in words: a ``title`` of a few words, one or two sentences, and what to do."""

    title: str
    explanation: str
    next_steps: tuple[str, ...]


DECISIONS: Mapping[Decision, str] = MappingProxyType(
    {
        "likely": "Clear result",
        "uncertain": "Not clear",
        "retake": "Please take another picture",
        "not_an_eye": "Not an external eye photo",
    }
)
"""Each decision in a few words."""

_SEE_SOMEONE = (
    "If the eye hurts, light hurts it, or you see worse than before, have it looked at soon, "
    "whatever this page says."
)

_LIKELY: Mapping[str, Words] = MappingProxyType(
    {
        "Healthy": Words(
            title="Resembles healthy eyes",
            explanation=(
                "Of all pictures that the model has learned from, this one is closest to those of "
                "healthy eyes. It knows only a few conditions and cannot rule anything out."
            ),
            next_steps=("Nothing to do because of this picture.", _SEE_SOMEONE),
        ),
        "Cataract": Words(
            title="Resembles pictures of a clouded lens (cataract)",
            explanation=(
                "The region of the pupil looks similar to pictures of eyes with a cataract. A "
                "reflection of a lamp or a window in the pupil can look the same."
            ),
            next_steps=(
                "Take another picture without reflections in the pupil and compare.",
                "If it stays, or your sight has become cloudy, ask an optometrist or eye doctor "
                "when it suits you.",
                _SEE_SOMEONE,
            ),
        ),
        "Conjunctivitis": Words(
            title="Resembles pictures of a red, irritated eye (conjunctivitis)",
            explanation=(
                "The white of the eye looks similar to pictures of eyes with conjunctivitis. "
                "Tiredness, dry air, contact lenses or warm light can look the same."
            ),
            next_steps=(
                "Leave contact lenses out, do not rub the eye, wash your hands often.",
                "If the redness has not gone after two weeks, ask a pharmacist or doctor.",
                _SEE_SOMEONE,
            ),
        ),
        "Stye": Words(
            title="Resembles pictures of a swollen lid (stye)",
            explanation=(
                "The rim of the lid looks similar to the few pictures of styes that the model "
                "has learned from."
            ),
            next_steps=(
                "Hold a clean, warm, damp cloth on the closed lid for five to ten minutes, a few "
                "times a day; do not squeeze.",
                "If it has not gone after a few weeks, or the swelling spreads, ask a doctor.",
                _SEE_SOMEONE,
            ),
        ),
    }
)

_MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "size": "Size of the eye",
        "framing": "Part of the eye in the picture",
        "brightness": "Brightness",
        "sharpness": "Blur",
        "openness": "Openness of the lids",
        "glare": "Glare",
        "contrast": "Contrast",
        "gaze": "Gaze off the camera",
        "roll": "Tilt of the head",
        "yaw": "Turn of the face",
        "texture": "Fine detail",
    }
)

_SIDES: Mapping[Side, str] = MappingProxyType(
    {
        "left": "Left eye (the person's left)",
        "right": "Right eye (the person's right)",
        "unknown": "Eye (side unknown)",
    }
)


def words_for(finding: EyeFinding) -> Words:
    """Return the words for what was found in one eye."""
    if finding.decision == "retake":
        return _retake(finding.quality.advice)
    if finding.decision == "not_an_eye":
        return _not_an_eye()
    if finding.decision == "uncertain" or finding.label is None:
        return _uncertain(finding)
    return _likely(finding.label, experimental=finding.experimental)


def words_absent(side: Side) -> Words:
    """Return the words for an eye that the picture does not show."""
    name = "eye" if side == "unknown" else f"{side} eye"
    return Words(
        title=f"No {name} in view",
        explanation=f"No {name} was found in the picture.",
        next_steps=(
            "Look straight into the camera from about half a metre, with light from the front.",
        ),
    )


def best_prediction(finding: EyeFinding | None) -> str:
    """Return the class, or the word that stands for none, as the older service named it."""
    if finding is None or finding.decision == "not_an_eye":
        return BEST_PREDICTION_ABSENT
    if finding.decision == "retake" or finding.label is None:
        return BEST_PREDICTION_RETAKE
    return finding.label


def decision_title(decision: Decision) -> str:
    """Return a decision in a few words."""
    return DECISIONS[decision]


def class_title(label: str, *, experimental: Iterable[str] = ()) -> str:
    """Return a class as it is shown; one with too little data behind it says so.

    >>> class_title("Stye", experimental=("Stye",))
    'Stye (experimental)'
    """
    return f"{label} (experimental)" if label in experimental else label


def measure_title(name: str) -> str:
    """Return the name of a quality measure as it is shown.

    >>> measure_title("size"), measure_title("lid_shade")
    ('Size of the eye', 'Lid shade')
    """
    return _MEASURES.get(name) or name.replace("_", " ").capitalize()


def side_title(side: Side) -> str:
    """Return which eye it is, from the person's own view."""
    return _SIDES[side]


def _likely(label: str, *, experimental: tuple[str, ...]) -> Words:
    # A model of somebody's own may have classes that we have no words for.
    words = _LIKELY.get(label) or Words(
        title=f"Resembles pictures of “{label}”",
        explanation=f"Of the classes that the model knows, “{label}” fits this picture best.",
        next_steps=("Ask who provided the model what this class means.", _SEE_SOMEONE),
    )
    if label not in experimental:
        return words
    return Words(
        title=f"{words.title} · experimental",
        explanation=f"{words.explanation} {_too_few(label)}",
        next_steps=words.next_steps,
    )


def _too_few(label: str) -> str:
    return (
        f"“{label}” is experimental: too few photographs of it were at hand to say how often "
        "this is right."
    )


def _uncertain(finding: EyeFinding) -> Words:
    possible = [class_title(c, experimental=finding.experimental) for c in finding.prediction_set]
    if len(possible) > 1:
        title = f"Not clear: {_either(possible)}"
        explanation = "The picture fits more than one class, so no single answer is given."
    elif possible:
        title = f"Not clear, perhaps {possible[0]}"
        explanation = "One class fits best, but something speaks against it; see the reasons."
    else:
        title = "Not clear"
        explanation = "The picture is unlike those that the model has learned from."
    return Words(
        title=title,
        explanation=explanation,
        next_steps=(
            *finding.quality.advice,
            "Try once more in even light from the front, with the eye wide open.",
            _SEE_SOMEONE,
        ),
    )


def _retake(advice: tuple[str, ...]) -> Words:
    return Words(
        title=DECISIONS["retake"],
        explanation="The picture is not good enough to judge, so no answer is given.",
        next_steps=advice
        or ("Come closer, hold still, and let light fall on the face from the front.",),
    )


def _not_an_eye() -> Words:
    return Words(
        title=DECISIONS["not_an_eye"],
        explanation=(
            "The picture does not seem to show an eye from the outside, so no answer is given."
        ),
        next_steps=("Send a photo of a face from the front, or a close-up of one open eye.",),
    )


def _either(names: list[str]) -> str:
    """Join names: a or b; a, b or c."""
    return f"{', '.join(names[:-1])} or {names[-1]}"
