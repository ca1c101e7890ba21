"""A studio for each test: signed in as nobody, with sign-in on; or open to everybody."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.settings import Settings
from engine.workbench import shared_workbench
from tests.ui_streamlit.studio import Studio
from tests.ui_streamlit.trained import train_once
from ui_streamlit.studio import visits


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A studio that asks for sign-in; nobody has signed in yet."""
    yield from _studio(tmp_path, monkeypatch, auth="on")


@pytest.fixture
def open_studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A studio without sign-in: everybody is the visitor."""
    yield from _studio(tmp_path, monkeypatch, auth="off")


@pytest.fixture(scope="session")
def _trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_once(tmp_path_factory.mktemp("trained") / "home")


@pytest.fixture
def trained_studio(
    _trained_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Studio]:
    """A studio without sign-in, in which the model “First” was really trained on “Discs”."""
    shutil.copytree(_trained_home, tmp_path / "home")
    yield from _studio(tmp_path, monkeypatch, auth="off")


def _studio(home: Path, monkeypatch: pytest.MonkeyPatch, *, auth: str) -> Iterator[Studio]:
    monkeypatch.setenv("LIGHTBOX_HOME", str(home / "home"))
    monkeypatch.setenv("LIGHTBOX_AUTH", auth)
    workbench = shared_workbench(Settings.from_env())
    studio = Studio(workbench=workbench)
    monkeypatch.setattr(visits, "request_cookies", lambda: studio.cookies)
    monkeypatch.setattr(visits, "request_address", lambda: "192.0.2.7")
    yield studio
    workbench.close()
