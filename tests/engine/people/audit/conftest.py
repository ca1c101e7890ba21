"""A log with a few lines in small files."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.people.actors import Actor
from engine.people.audit import AuditLog

ANN = Actor(id="ann", name="Ann Maurer", role="ANNOTATOR", address="192.0.2.7")
BOSS = Actor(id="boss", name="Boss", role="ADMIN", address="192.0.2.1")


def open_log(tmp_path: Path) -> AuditLog:
    """Open the log of this test: about six lines fit a file."""
    return AuditLog(
        tmp_path / "audit", key_file=tmp_path / "secrets" / "audit.key", segment_bytes=3000
    )


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    """A log without a line."""
    return open_log(tmp_path)


@pytest.fixture
def filled(log: AuditLog) -> AuditLog:
    """A log of 20 lines in several files."""
    for number in range(1, 21):
        actor = BOSS if number % 2 else ANN
        log.write(actor, "users.manage", record=f"users/{number}", text=f"Did number {number}")
    assert len(list(log.folder.glob("*.jsonl"))) > 2
    return log
