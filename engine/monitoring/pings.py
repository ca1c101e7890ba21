"""The questions: what each part of a server is asked, and when its answer needs somebody.

Sentences are for administrators; they name records by collection and count, never by content.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from engine.monitoring.figures import Figures
from engine.monitoring.health import Answer, Ping
from engine.monitoring.sources import Sources

if TYPE_CHECKING:
    from pathlib import Path

    from engine.people.audit import AuditReport
    from engine.store.records import BackupRecord

__all__ = ["DISK_FAILED_MB", "DISK_LOW_MB", "INTAKE_SILENT_S", "WHOLE_AUDIT_S", "pings"]

DISK_FAILED_MB: Final = 500.0
"""Free disk below which uploads and backups are at risk now."""

DISK_LOW_MB: Final = 2_000.0
"""Free disk below which somebody should make room."""

INTAKE_SILENT_S: Final = 180.0
"""Without a round for so long, nobody reads the messages."""

WHOLE_AUDIT_S: Final = 3600.0
"""How often the whole audit log is checked; its newest file is checked every minute."""


def pings(sources: Sources, figures: Callable[[], Figures]) -> tuple[Ping, ...]:
    """Return the questions to every part; ``figures`` returns a sample of this moment."""
    audit = _AuditPing(sources)
    table: tuple[tuple[str, str, float, Callable[[], Answer]], ...] = (
        ("store", "Records", 60.0, lambda: _store(sources)),
        ("files", "Files", 60.0, lambda: _files(sources)),
        ("worker", "Worker", 4.0, lambda: _worker(sources)),
        ("memory", "Memory", 4.0, lambda: _memory(figures())),
        ("disk", "Disk", 15.0, lambda: _disk(figures())),
        ("backups", "Backups", 8.0, lambda: _backups(sources)),
        ("audit", "Audit log", 60.0, audit.ask),
        ("models", "Models", 900.0, lambda: _models(sources)),
    )
    if sources.settings.sqs_queue_url:
        table += (("intake", "Messages from outside", 30.0, lambda: _intake(sources)),)
    return tuple(
        Ping(name=name, title=title, every_s=every_s, ask=ask)
        for name, title, every_s, ask in table
    )


def _store(sources: Sources) -> Answer:
    store = sources.store()
    faults = store.damage()
    if faults:
        return Answer(state="failed", text=" ".join(map(str, faults)))
    return Answer(state="ok", text=f"All {len(store.names)} collections are whole.")


def _files(sources: Sources) -> Answer:
    return Answer(state="ok", text=sources.files().ping())


def _worker(sources: Sources) -> Answer:
    settings, queue = sources.settings, sources.queue()
    living = [seen for seen in queue.workers() if seen.is_alive]
    waiting = queue.counts()["pending"]
    if living:
        busy = sum(len(seen.jobs) for seen in living)
        work = f"{busy} at work" if busy else "idle"
        number = "One worker" if len(living) == 1 else f"{len(living)} workers"
        return Answer(state="ok", text=f"{number} alive, {work}, {waiting} waiting.")
    advice = "Start 'lightbox worker', or set LIGHTBOX_WORKER=on and start the server again."
    if waiting:
        jobs = "One job waits" if waiting == 1 else f"{waiting} jobs wait"
        return Answer(state="failed", text=f"No worker is alive and {jobs}. {advice}")
    if settings.worker:
        return Answer(state="failed", text=f"No worker is alive: no job would start. {advice}")
    return Answer(state="attention", text=f"This server runs none (LIGHTBOX_WORKER=off). {advice}")


def _intake(sources: Sources) -> Answer:
    from engine.jobs.intake import intake_status

    told = intake_status(sources.settings)
    if told["error"]:
        return Answer(state="failed", text=str(told["error"]))
    if told["at"] is None:
        return Answer(state="attention", text="The worker has not asked for messages yet.")
    age_s = (datetime.now(UTC) - datetime.fromisoformat(told["at"])).total_seconds()
    if age_s > INTAKE_SILENT_S:
        return Answer(
            state="failed",
            text=f"No message was asked for since {_age(age_s / 3600)}; see the worker.",
        )
    parked = len(told["parked_files"])
    if parked:
        number = "One message is" if parked == 1 else f"{parked} messages are"
        return Answer(state="attention", text=f"{number} parked after several tries.")
    return Answer(state="ok", text="Messages are read as they come.")


def _memory(now: Figures) -> Answer:
    free, floor = now.memory_free_mb, now.memory_floor_mb
    text = f"{_size(free)} free of {_size(now.memory_total_mb)}; the floor is {floor:,.0f} MB."
    if free < floor:
        return Answer(state="failed", text=f"{text} Long steps pause, and stop if it stays so.")
    if free < 2 * floor:
        return Answer(state="attention", text=f"{text} Large jobs will wait.")
    return Answer(state="ok", text=text)


def _disk(now: Figures) -> Answer:
    text = f"{_size(now.disk_free_mb)} free of {_size(now.disk_total_mb)}."
    if now.disk_free_mb < DISK_FAILED_MB:
        return Answer(state="failed", text=f"{text} Make room now: uploads and backups will fail.")
    if now.disk_free_mb < DISK_LOW_MB:
        return Answer(state="attention", text=f"{text} Make room soon.")
    return Answer(state="ok", text=text)


def _backups(sources: Sources) -> Answer:
    records = sorted(sources.backups().list(), key=_made_at)
    good = [record for record in records if record.state == "good"]
    if not good:
        return Answer(state="attention", text="There is no good backup yet; make the first one.")
    age_h = (datetime.now(UTC) - _made_at(good[-1])).total_seconds() / 3600
    kept = "it is the only one" if len(good) == 1 else f"{len(good)} are kept"
    text = f"The last good backup is {_age(age_h)} old; {kept}."
    judged = [record for record in records if record.state in ("good", "bad")]
    if judged[-1].state == "bad":
        return Answer(state="failed", text=f"The newest backup is not usable. {text}")
    interval_h = sources.settings.backup_interval_h
    if interval_h and age_h > 2 * interval_h:
        return Answer(state="failed", text=f"{text} One is due every {interval_h} h; see the jobs.")
    return Answer(state="ok", text=text)


def _made_at(record: BackupRecord) -> datetime:
    return record.created_at


def _size(amount_mb: float) -> str:
    return f"{amount_mb:,.0f} MB" if amount_mb < 10_000 else f"{amount_mb / 1000:.2f} GB"


def _age(hours: float) -> str:
    if hours < 1:
        return f"{max(1, round(hours * 60))} min"
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


class _AuditPing:
    """Checks the newest file of the log each time, and the whole of it once an hour.

    A fault in an older file stays told until the whole was checked again.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._whole: AuditReport | None = None
        self._whole_at = 0.0

    def ask(self) -> Answer:
        log = self._sources.audit()
        now = time.monotonic()
        if self._whole is None or now - self._whole_at > WHOLE_AUDIT_S:
            self._whole, self._whole_at = log.verify(), now
        report = self._whole if not self._whole.ok else log.verify_end()
        if not report.ok:
            return Answer(state="failed", text=report.sentence)
        checked = _age((now - self._whole_at) / 3600)
        return Answer(state="ok", text=f"{report.sentence} All files were checked {checked} ago.")


def _models(sources: Sources) -> Answer:
    from engine.inference import cards
    from engine.shipped import shipped

    eye = sources.settings.eye_model or shipped("models", "eyes")
    folders: tuple[Path, ...] = (
        eye,
        *(shipped("models", name) for name in ("eye_anatomy", "spine", "cells")),
    )
    labels = [cards.load(folder).label for folder in folders]  # refuses what was altered
    return Answer(state="ok", text=f"Whole and unaltered: {', '.join(labels)}.")
