"""Fixtures of the tests of jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.jobs.workplace import Workplace


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    """A home with a queue of small tasks; its workers end with the test."""
    place = Workplace.at(tmp_path / "home")
    yield place
    place.close()
