"""Patients as a list shows them: without name and contact, with counts of their samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, final

from engine.catalogue.visibility import hidden, may_reveal, sees_sample
from engine.people.actors import Actor
from engine.store.records import Patient, PatientAnnotation, Sample

if TYPE_CHECKING:
    from engine.store import Store

__all__ = ["PatientRow", "rows_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRow:
    """A patient with what is to be seen of the samples; ``patient`` has no name and contact.

    ``states`` counts samples by inference status; ``finding`` is the last one written.
    """

    patient: Patient
    sample_count: int
    picture_count: int
    states: Mapping[str, int]
    last_sample_at: datetime | None
    finding: PatientAnnotation | None

    @property
    def state(self) -> str:
        """What is most worth knowing: failed, processing, pending, completed, or empty."""
        for state in ("failed", "processing", "pending", "completed"):
            if self.states.get(state):
                return state
        return "empty"


def rows_of(
    store: Store, actor: Actor, patients: Iterable[Patient], *, words: str = "", state: str = ""
) -> tuple[PatientRow, ...]:
    """Return the rows whose text has all ``words``, and a sample in ``state`` when one is given.

    Names and contacts are searched for those alone who may see them.
    """
    wanted = words.casefold().split()
    samples, findings = store.samples.read(), store.patient_annotations.read()
    rows = []
    for patient in patients:
        if wanted and not _has(patient, wanted, is_open=may_reveal(actor, patient)):
            continue
        own = [one for one in samples.where(patient_id=patient.id) if sees_sample(actor, one)]
        row = _row(patient, own, findings.where(patient_id=patient.id))
        if not state or row.states.get(state) or (state == "empty" and not own):
            rows.append(row)
    return tuple(rows)


def _has(patient: Patient, words: Iterable[str], *, is_open: bool) -> bool:
    parts = [patient.patient_id, patient.gender, patient.comments, patient.id]
    if is_open:
        parts += [patient.name, patient.contact]
    text = " ".join(parts).casefold()
    return all(word in text for word in words)


def _row(
    patient: Patient, samples: list[Sample], findings: Iterable[PatientAnnotation]
) -> PatientRow:
    return PatientRow(
        patient=hidden(patient),
        sample_count=len(samples),
        picture_count=sum(len(sample.image_ids) for sample in samples),
        states=dict(Counter(sample.inference_status for sample in samples)),
        last_sample_at=max((sample.created_at for sample in samples), default=None),
        finding=max(findings, key=lambda one: one.updated_at, default=None),
    )
