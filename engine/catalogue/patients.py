"""Patients, their samples and what was found, for whoever may: see, send, mark, conclude, delete.

Name and contact of a patient leave this module through :meth:`Patients.reveal` alone, which is
written into the audit log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, final

from engine.catalogue.deletion import Deletion, delete, what_goes
from engine.catalogue.marking import CellMark, annotation_of
from engine.catalogue.paging import Page, page_of
from engine.catalogue.patient_fields import PatientFields, adequacy_of, checked, codes_of
from engine.catalogue.patient_rows import PatientRow, rows_of
from engine.catalogue.sample_pictures import SentPicture, Taken, take_in
from engine.catalogue.sample_views import boxed, colours_of
from engine.catalogue.visibility import (
    hidden,
    may_reveal,
    require_patient,
    require_sample,
    sees_sample,
    visible_patients,
    visible_samples,
)
from engine.errors import LightboxError, NotAllowedError, NotFoundError, RequestError
from engine.people.actors import SYSTEM, VISITOR, Actor
from engine.people.permissions import require
from engine.store import now
from engine.store.records import CellAnnotation, Image, Patient, PatientAnnotation, Sample, User

if TYPE_CHECKING:
    from engine.imaging.palettes import Colour
    from engine.jobs.queue import Queue
    from engine.people.audit import AuditLog
    from engine.settings import Settings
    from engine.store import Store
    from engine.store.files import Files

__all__ = ["TASK", "Patients"]

TASK: Final = "detect_cells"
"""The task that processes a sample; its payload names the sample."""
_COMMENT_LIMIT: Final = 4000
_REPORT_PX: Final = 1000


@final
class Patients:
    """What people do with patients and samples; every method asks for its permission."""

    def __init__(
        self, store: Store, files: Files, settings: Settings, *, audit: AuditLog, queue: Queue
    ) -> None:
        self._store = store
        self._files = files
        self._settings = settings
        self._audit = audit
        self._queue = queue

    # --- patients ------------------------------------------------------------------------------

    def list(
        self, actor: Actor, *, words: str = "", state: str = "", page: int = 1, size: int = 50
    ) -> Page[PatientRow]:
        """Return the patients that ``actor`` sees, the newest first, with counts of samples."""
        require(actor, "patients.view")
        seen = visible_patients(self._store, actor)
        return page_of(
            rows_of(self._store, actor, seen, words=words, state=state), page=page, size=size
        )

    def get(self, actor: Actor, name: str) -> Patient:
        """Return a patient by id or by the clinic's number, without name and contact.

        Raises
        ------
        NotFoundError
            When there is none for this actor.
        """
        require(actor, "patients.view")
        return hidden(require_patient(self._store, actor, name))

    def may_reveal(self, actor: Actor, patient: Patient) -> bool:
        """Say whether :meth:`reveal` and :meth:`change` are for this actor."""
        return may_reveal(actor, patient)

    def reveal(self, actor: Actor, name: str) -> Patient:
        """Return a patient with name and contact; who looked is written down.

        Raises
        ------
        NotFoundError, NotAllowedError
        """
        patient = self._own(actor, name)
        self._note(actor, "patients.view", patient, "Looked at a patient's name and contact")
        return patient

    def add(self, actor: Actor, fields: PatientFields) -> Patient:
        """Add a patient; return the record without name and contact.

        Raises
        ------
        RequestError
            When a field cannot be used, or this actor has a patient with that number already.
        """
        require(actor, "patients.manage")
        given = checked(fields)
        patient = Patient(**asdict(given), uploader_id=actor.id)
        with self._store.patients.transaction() as patients:
            _require_new(patients.where(patient_id=given.patient_id), patient)
            patients.put(patient)
        self._note(actor, "patients.manage", patient, "Added a patient")
        return hidden(patient)

    def change(self, actor: Actor, name: str, fields: PatientFields) -> Patient:
        """Change a patient; return the record without name and contact.

        Raises
        ------
        NotFoundError, NotAllowedError, RequestError
        """
        patient = self._own(actor, name)
        given = checked(fields)
        with self._store.patients.transaction() as patients:
            changed = replace(patients[patient.id], **asdict(given), updated_at=now())
            _require_new(patients.where(patient_id=given.patient_id), changed)
            patients.put(changed)
        self._note(actor, "patients.manage", patient, "Changed a patient")
        return hidden(changed)

    # --- samples -------------------------------------------------------------------------------

    def samples(
        self, actor: Actor, *, patient: str = "", state: str = "", page: int = 1, size: int = 50
    ) -> Page[Sample]:
        """Return the samples that ``actor`` sees, the newest first; of one patient when named."""
        require(actor, "samples.view")
        found: Iterable[Sample] = visible_samples(self._store, actor)
        if patient:
            of = require_patient(self._store, actor, patient).id
            found = (sample for sample in found if sample.patient_id == of)
        shown = [one for one in found if state in ("", one.inference_status)]
        return page_of(shown, page=page, size=size)

    def sample(self, actor: Actor, name: str) -> Sample:
        """Return a sample by its id or that of its job.

        Raises
        ------
        NotFoundError
            When there is none for this actor.
        """
        require(actor, "samples.view")
        return require_sample(self._store, actor, name)

    def pictures(self, actor: Actor, sample: Sample) -> tuple[Image, ...]:
        """Return the records of a sample's pictures in their order."""
        require(actor, "samples.view")
        images = self._store.images.read()
        found = (images.get(name) for name in sample.image_ids if sees_sample(actor, sample))
        return tuple(image for image in found if image is not None)

    def view(self, actor: Actor, sample: Sample, image: Image, *, longest_px: int = 1400) -> bytes:
        """Return a picture of a sample with its cells boxed, as JPEG.

        Raises
        ------
        NotFoundError
            When the picture is not of this sample, or its file is gone.
        """
        from engine.imaging import pictures

        if image not in self.pictures(actor, sample):
            raise NotFoundError("There is no such picture for you; choose one from the list.")
        cells = [cell for cell in self.cells(actor, sample) if cell.image_id == image.id]
        picture = pictures.decode(
            self._files.read(image.sha256), max_pixels=self._settings.max_megapixels * 1_000_000
        )
        return pictures.encode_jpeg(
            boxed(picture, cells, self.colours(cells), longest_px=longest_px), 88
        )

    def colours(self, cells: Iterable[CellAnnotation]) -> dict[str, Colour]:
        """Return the colour of each kind among ``cells``."""
        kinds = self._store.cell_types.read().values()
        return colours_of(kinds, (cell.cell_type for cell in cells))

    def small(self, actor: Actor, sample: Sample) -> bytes | None:
        """Return the first picture of a sample in small, as JPEG; ``None`` when there is none."""
        for image in self.pictures(actor, sample)[:1]:
            with suppress(NotFoundError):
                return self._files.read(image.thumbnail_sha256 or image.sha256)
        return None

    def cells(self, actor: Actor, sample: Sample) -> tuple[CellAnnotation, ...]:
        """Return the cells of a sample in the order in which they were marked."""
        require(actor, "cells.view")
        if not sees_sample(actor, sample):
            return ()
        found = self._store.cell_annotations.read().where(sample_id=sample.id)
        return tuple(sorted(found, key=lambda cell: (cell.created_at, cell.id)))

    def send(
        self, actor: Actor, name: str, sent: Sequence[SentPicture], *, together: bool = False
    ) -> Taken:
        """Take pictures as samples of a patient and have them processed by the queue.

        Raises
        ------
        NotFoundError
            When there is no such patient for this actor.
        RequestError
            When no picture can be taken.
        """
        require(actor, "samples.add")
        patient = require_patient(self._store, actor, name)
        taken = take_in(
            self._store,
            self._files,
            self._settings,
            actor=actor,
            patient=patient,
            sent=sent,
            together=together,
        )
        for sample in taken.samples:
            self._note_sample(actor, "samples.add", sample, "Sent a sample")
        started = tuple(self._start(actor, sample) for sample in taken.samples)
        return replace(taken, samples=started)

    def send_for(
        self,
        actor: Actor,
        fields: PatientFields,
        sent: Sequence[SentPicture],
        *,
        together: bool = False,
    ) -> Taken:
        """Take pictures for the patient with that number, who is added when there is none.

        Raises
        ------
        RequestError
            When no picture can be taken; then nobody is added either.
        """
        require(actor, "samples.add")
        with suppress(NotFoundError):
            patient = require_patient(self._store, actor, fields.patient_id.strip())
            return self.send(actor, patient.id, sent, together=together)
        added = self.add(actor, fields)
        try:
            return self.send(actor, added.id, sent, together=together)
        except LightboxError:
            with self._store.transaction("patients", "samples") as t:
                if not t["samples"].where(patient_id=added.id):
                    t["patients"].remove(added.id)
            raise

    def process(self, actor: Actor, names: Sequence[str]) -> tuple[Sample, ...]:
        """Have samples processed (again); those that wait or run already stay as they are."""
        require(actor, "samples.add")
        samples = [require_sample(self._store, actor, name) for name in names]
        return tuple(self._start(actor, sample) for sample in samples if not self.is_busy(sample))

    def assign(self, actor: Actor, names: Sequence[str], user_id: str | None) -> int:
        """Give samples to somebody who marks cells, or to nobody; return how many.

        Raises
        ------
        RequestError
            When that person marks no cells, or is not there any more.
        NotFoundError
        """
        require(actor, "samples.add")
        if user_id is not None and user_id not in {user.id for user in self.annotators(actor)}:
            raise RequestError("Samples are assigned to an annotator or reviewer of this server.")
        samples = [require_sample(self._store, actor, name) for name in names]
        with self._store.samples.transaction() as records:
            for sample in samples:
                records.put(replace(records[sample.id], assigned_to=user_id, updated_at=now()))
        for sample in samples:
            self._note_sample(actor, "samples.add", sample, "Assigned a sample")
        return len(samples)

    def annotators(self, actor: Actor) -> tuple[User, ...]:
        """Return the people to whom samples may be assigned, by name."""
        require(actor, "samples.add")
        marking = ("ANNOTATOR", "REVIEWER")
        users = self._store.users.read()
        found = [u for u in users if u.role in marking and not u.disabled and not u.waiting]
        return tuple(sorted(found, key=lambda user: user.name.casefold()))

    # --- what was found ------------------------------------------------------------------------

    def mark(
        self, actor: Actor, name: str, marks: Sequence[CellMark]
    ) -> tuple[CellAnnotation, ...]:
        """Add a person's marks to a sample, all or none.

        Raises
        ------
        NotFoundError, RequestError
        """
        require(actor, "cells.annotate")
        sample = require_sample(self._store, actor, name)
        records = [annotation_of(self._store, actor, sample, mark) for mark in marks]
        with self._store.transaction("cell_annotations", "samples") as t:
            t["samples"][sample.id]  # NotFoundError when it went in the meantime
            stored = tuple(t["cell_annotations"].put(record) for record in records)
        self._note_sample(actor, "cells.annotate", sample, f"Marked {len(stored)} cells")
        return stored

    def conclude(
        self,
        actor: Actor,
        name: str,
        *,
        adequacy: str,
        diagnosis: Sequence[str] = (),
        comments: str = "",
    ) -> PatientAnnotation:
        """Write a person's finding about a patient; the one they wrote before is changed.

        Raises
        ------
        NotFoundError, RequestError
        """
        require(actor, "patients.annotate")
        patient = require_patient(self._store, actor, name)
        if len(comments) > _COMMENT_LIMIT or "\x00" in comments:
            raise RequestError(f"'comments' must be a text of at most {_COMMENT_LIMIT} characters.")
        finding = PatientAnnotation(
            patient_id=patient.id,
            user_id=actor.id,
            adequacy=adequacy_of(adequacy),
            diagnosis=codes_of(diagnosis),
            comments=comments.strip(),
        )
        with self._store.transaction("patients", "patient_annotations") as t:
            t["patients"][patient.id]
            for old in t["patient_annotations"].where(patient_id=patient.id, user_id=actor.id):
                finding = replace(finding, id=old.id, created_at=old.created_at)
            stored: PatientAnnotation = t["patient_annotations"].put(finding)
        self._note(actor, "patients.annotate", patient, "Wrote a patient's finding")
        return stored

    def findings(self, actor: Actor, patient: Patient) -> tuple[PatientAnnotation, ...]:
        """Return what people concluded about a patient, the newest first."""
        require(actor, "patients.view")
        patient = require_patient(self._store, actor, patient.id)
        found = self._store.patient_annotations.read().where(patient_id=patient.id)
        return tuple(sorted(found, key=lambda one: one.updated_at, reverse=True))

    def report(
        self, actor: Actor, name: str, *, kind: Literal["html", "pdf"], with_name: bool = False
    ) -> bytes:
        """Return the report of what ``actor`` sees of a patient.

        Name and contact stand in it only ``with_name``, for those who may :meth:`reveal` them.

        Raises
        ------
        NotFoundError, NotAllowedError
        """
        from engine.catalogue.reports import report_html, report_pdf
        from engine.catalogue.reports.content import Source, report_of

        patient = self.reveal(actor, name) if with_name else self.get(actor, name)
        sources = [
            Source(
                sample=sample,
                images=self.pictures(actor, sample),
                cells=self.cells(actor, sample),
                view=partial(self.view, actor, sample, longest_px=_REPORT_PX),
            )
            for sample in visible_samples(self._store, actor)
            if sample.patient_id == patient.id
        ]
        report = report_of(
            patient,
            sources,
            self.findings(actor, patient),
            name_of=self._name_of,
            colours=self.colours(cell for source in sources for cell in source.cells),
            made_by=actor.name,
            made_at=now(),
        )
        self._note(actor, "patients.view", patient, f"Made a report ({kind.upper()})")
        return report_html(report) if kind == "html" else report_pdf(report)

    # --- away ----------------------------------------------------------------------------------

    def what_goes(self, actor: Actor, name: str) -> Deletion:
        """Return what would be deleted with a patient, to be shown and agreed to.

        Raises
        ------
        NotFoundError, NotAllowedError
        """
        patient = self._own(actor, name)
        samples = self._store.samples.read().where(patient_id=patient.id)
        if not all(sees_sample(actor, sample) for sample in samples):
            raise NotAllowedError(
                "Somebody else has sent samples of this patient; ask an administrator."
            )
        return what_goes(self._store, patient_id=patient.id)

    def delete(self, actor: Actor, name: str, agreed: Deletion) -> None:
        """Delete a patient with all that is ``agreed`` to go, or nothing.

        Raises
        ------
        NotFoundError, NotAllowedError, RequestError
        """
        patient = self._own(actor, name)
        self.what_goes(actor, patient.id)
        delete(self._store, agreed, patient_id=patient.id)
        self._note(actor, "patients.manage", patient, f"Deleted {', '.join(agreed.lines())}")

    def what_goes_with_sample(self, actor: Actor, name: str) -> Deletion:
        """Return what would be deleted with a sample.

        Raises
        ------
        NotFoundError
        """
        require(actor, "samples.add")
        return what_goes(self._store, sample_id=require_sample(self._store, actor, name).id)

    def delete_sample(self, actor: Actor, name: str, agreed: Deletion) -> None:
        """Delete a sample with all that is ``agreed`` to go, or nothing.

        Raises
        ------
        NotFoundError, RequestError
        """
        require(actor, "samples.add")
        sample = require_sample(self._store, actor, name)
        delete(self._store, agreed, sample_id=sample.id)
        self._note_sample(actor, "samples.add", sample, f"Deleted {', '.join(agreed.lines())}")

    # --- parts ---------------------------------------------------------------------------------

    def _own(self, actor: Actor, name: str) -> Patient:
        """Return a patient with everything, for those who may change it."""
        require(actor, "patients.manage")
        patient = require_patient(self._store, actor, name)
        if not may_reveal(actor, patient):
            raise NotAllowedError(
                "This patient was brought in by somebody else; ask that person or an administrator."
            )
        return patient

    def _name_of(self, actor_id: str) -> str:
        for known in (SYSTEM, VISITOR):
            if actor_id == known.id:
                return known.name
        user = self._store.users.read().get(actor_id) if actor_id else None
        return user.name if user is not None else "somebody who has left"

    def is_busy(self, sample: Sample) -> bool:
        """Say whether a job waits or runs for it; a pending sample may have lost its job."""
        job = self._store.jobs.read().get(sample.job_id or "")
        return job is not None and job.state in ("pending", "processing", "stuck")

    def _start(self, actor: Actor, sample: Sample) -> Sample:
        job = self._queue.submit(
            TASK, {"sample_id": sample.id}, actor=actor, title=f"Find cells in {sample.id[-6:]}"
        )
        with self._store.samples.transaction() as samples:
            held = samples[sample.id]
            # The worker may have begun already: only what it does not write is written here.
            is_old = held.job_id != job.id and held.inference_status != "processing"
            waiting = replace(held, job_id=job.id, updated_at=now())
            if is_old and self._is_waiting(job.id):
                waiting = replace(waiting, inference_status="pending", status_text="")
            return samples.put(waiting)

    def _is_waiting(self, job_id: str) -> bool:
        job = self._store.jobs.read().get(job_id)
        return job is not None and job.state == "pending"

    def _note(self, actor: Actor, action: str, patient: Patient, text: str) -> None:
        self._audit.write(actor, action, record=f"patients/{patient.id}", text=text)

    def _note_sample(self, actor: Actor, action: str, sample: Sample, text: str) -> None:
        self._audit.write(actor, action, record=f"samples/{sample.id}", text=text)


def _require_new(same_number: Iterable[Patient], patient: Patient) -> None:
    for other in same_number:
        if other.id != patient.id and other.uploader_id == patient.uploader_id:
            raise RequestError(
                "'patient_id' is the number of another patient of yours already; open that one."
            )
