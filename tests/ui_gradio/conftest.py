"""A real server on a free port, with a stand-in instead of models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ui_gradio.serving import EyeServer, serving


@pytest.fixture(scope="session")
def eyes() -> Iterator[EyeServer]:
    """One server for all tests that only ask it."""
    with serving() as running:
        yield running
