"""A real home with records, files and an audit log, and what a stranger sees of it from outside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.backups import Backups
from engine.people.actors import SYSTEM
from engine.people.audit import AuditLog, open_audit
from engine.settings import Settings
from engine.store import Store, new_id
from engine.store.files import Files, open_files
from engine.store.records import Image, Patient, Sample

__all__ = ["ROOT", "Home", "home_at", "noted"]

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """One Lightbox home, opened as a server opens it."""

    settings: Settings
    store: Store
    files: Files
    audit: AuditLog
    backups: Backups

    def add_picture(self, content: bytes, name: str = "picture") -> Image:
        """Store a file and the record that names it."""
        ref = self.files.put(content, media_type="image/png")
        image = Image(name=name, sha256=ref.sha256, media_type=ref.media_type, size_bytes=ref.size)
        with self.store.images.transaction() as images:
            return images.put(image)

    def add_pairs(self, count: int) -> None:
        """Add patients, each together with one sample: the two counts are always the same."""
        for _ in range(count):
            with self.store.transaction("patients", "samples") as both:
                patient = both["patients"].put(Patient(patient_id=new_id()))
                both["samples"].put(Sample(patient_id=patient.id, original_filename="a.png"))

    def state(self) -> dict[str, dict[str, bytes]]:
        """Return every stored record that a restore brings back, as bytes by collection and id."""
        kept = ("backups", "jobs", "activities", "sessions")
        return {n: dict(s.lines) for n, s in self.store.read().items() if n not in kept}

    def archives(self) -> list[Path]:
        """Return what lies in the folder of backups, without locks and notes."""
        folder = self.backups.folder
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))


def home_at(folder: Path, **settings: Any) -> Home:
    """Open (or open again) the home in ``folder``."""
    values = replace(Settings(home=folder), **settings)
    store, files, audit = Store(folder / "records"), open_files(values), open_audit(values)
    backups = Backups(values, store, files, audit)
    return Home(settings=values, store=store, files=files, audit=audit, backups=backups)


def noted(home: Home, text: str = "Did something") -> None:
    """Write a line in the audit log."""
    home.audit.write(SYSTEM, "studio.open", text=text)
