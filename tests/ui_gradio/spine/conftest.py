"""A real server on a free port, with a runner that pretends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ui_gradio.spine.serving import SpineServer, serving_spine


@pytest.fixture(scope="session")
def spine() -> Iterator[SpineServer]:
    """One server for all tests that only ask it."""
    with serving_spine() as running:
        yield running
