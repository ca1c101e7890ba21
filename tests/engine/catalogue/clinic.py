"""A home with patients' people: two uploaders, an annotator, a reviewer, an administrator."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from engine.catalogue.patient_fields import PatientFields
from engine.catalogue.patients import Patients
from engine.catalogue.sample_pictures import SentPicture
from engine.jobs.queue import Queue
from engine.people.actors import Actor
from engine.people.audit import AuditLog, open_audit
from engine.settings import Settings
from engine.store import Store
from engine.store.files import Files, open_files
from engine.store.records import Patient, Sample, User

__all__ = ["ADMIN", "ANNA", "BEN", "RITA", "UDO", "UMA", "Clinic", "open_clinic", "picture"]

ADMIN = Actor(id="boss", name="Boss", role="ADMIN")
UMA = Actor(id="uma", name="Uma", role="UPLOADER")
UDO = Actor(id="udo", name="Udo", role="UPLOADER")
ANNA = Actor(id="anna", name="Anna", role="ANNOTATOR")
BEN = Actor(id="ben", name="Ben", role="ANNOTATOR")
RITA = Actor(id="rita", name="Rita", role="REVIEWER")


@dataclass
class Clinic:
    """The catalogue of patients with the store, files and log behind it."""

    settings: Settings
    store: Store
    files: Files
    audit: AuditLog
    queue: Queue
    patients: Patients

    def patient(self, number: str = "P-1", actor: Actor = UMA) -> Patient:
        """Add a patient with name and contact."""
        fields = PatientFields(
            patient_id=number, name="Jane Roe", age=54, gender="female", contact="+43 1 234"
        )
        return self.patients.add(actor, fields)

    def sample(self, patient: Patient, actor: Actor = UMA) -> Sample:
        """Send one small picture."""
        sent = [SentPicture(name="slide.png", data=picture())]
        return self.patients.send(actor, patient.id, sent).samples[0]


def open_clinic(home: Path) -> Clinic:
    """Open an empty home with its people."""
    settings = Settings(home=home)
    store, audit = Store(home / "records"), open_audit(settings)
    files, queue = open_files(settings), Queue(store, settings, audit=audit)
    with store.users.transaction() as users:
        for actor in (ADMIN, UMA, UDO, ANNA, BEN, RITA):
            assert actor.role
            users.put(
                User(id=actor.id, name=actor.name, email=f"{actor.id}@x.example", role=actor.role)
            )
    patients = Patients(store, files, settings, audit=audit, queue=queue)
    return Clinic(settings, store, files, audit, queue, patients)


def picture(*, value: int = 200, exif: bool = False, width: int = 40, height: int = 30) -> bytes:
    """Return a plain picture, as JPEG with names and places in it when ``exif``."""
    image = PillowImage.fromarray(np.full((height, width, 3), value, np.uint8))
    file = io.BytesIO()
    if not exif:
        image.save(file, "PNG")
        return file.getvalue()
    told = PillowImage.Exif()
    told[0x013B] = "Dr. Jane Roe"  # Artist
    told[0x9C9B] = b"J\x00"  # XPTitle
    told.get_ifd(0x8825)[2] = (48.0, 12.0, 30.0)  # GPSLatitude
    image.save(file, "JPEG", exif=told, comment=b"patient Jane Roe", quality=95)
    return file.getvalue()
