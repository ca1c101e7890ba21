"""Houses with a door, one with sign-in for all tests that change nothing."""

from __future__ import annotations

import pytest

from tests.api.house import House, build_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house with sign-in and one person of each role."""
    return build_house(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house that asks nobody to sign in."""
    return build_house(tmp_path_factory.mktemp("open"), people=False, auth=False)
