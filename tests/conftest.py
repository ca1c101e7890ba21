"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real pictures, or skip the test with the reason."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LIGHTBOX_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real pictures at {folder}; set LIGHTBOX_TEST_DATA to test with them")
    return folder
