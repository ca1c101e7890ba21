"""How states of samples and findings are put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from engine.store.records import Patient
from ui_streamlit.studio.pieces import Tone

__all__ = ["ADEQUACY", "STATES", "StateWord", "facts_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StateWord:
    """What a state is called, its tone and its picture (of the font on this server)."""

    label: str
    tone: Tone
    icon: str


STATES: Final[Mapping[str, StateWord]] = {
    "pending": StateWord(label="Waits", tone="waiting", icon=":material/hourglass_top:"),
    "processing": StateWord(label="At work", tone="busy", icon=":material/sync:"),
    "completed": StateWord(label="Done", tone="good", icon=":material/check_circle:"),
    "failed": StateWord(label="Failed", tone="bad", icon=":material/error:"),
    "empty": StateWord(label="No sample", tone="quiet", icon=":material/inbox:"),
}
"""States of samples by their name in the records, and of a patient without one."""

ADEQUACY: Final[Mapping[str, StateWord]] = {
    "adequate": StateWord(label="Adequate", tone="good", icon=":material/check:"),
    "inadequate": StateWord(label="Inadequate", tone="waiting", icon=":material/report:"),
}
"""Whether there was enough to see."""


def facts_of(patient: Patient) -> str:
    """Return age and gender in a few words.

    >>> facts_of(Patient(patient_id="1", age=54, gender="female"))
    '54 years, female'
    """
    age = "" if patient.age is None else f"{patient.age} year{'' if patient.age == 1 else 's'}"
    return ", ".join(part for part in (age, patient.gender) if part)
