"""The settings page: what is set and where, without a secret and without a way to change it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.settings import Settings, described, in_force
from tests.ui_streamlit.studio import Studio, words
from ui_streamlit.studio.settings_view.choosing import Filter, chosen, source

SECRET = "a-very-secret-key-of-more-than-thirty-two-letters"


def test_every_setting_is_listed_with_its_meaning(open_studio: Studio) -> None:
    """All settings of the README's table are there, and there is nothing to press."""
    page = open_studio.open("settings")
    seen = words(page)
    assert [doc.name for doc in described() if doc.name not in seen] == []
    assert "Free memory (MB) that no step may use up." in seen
    assert not page.button


def test_where_a_value_was_set_is_told(open_studio: Studio) -> None:
    """The home comes from the environment, the port is the default."""
    seen = words(open_studio.open("settings", find="LIGHTBOX_HOME"))
    assert str(open_studio.settings.home) in seen
    assert "Environment" in seen
    assert "LIGHTBOX_PORT" not in seen


def test_secrets_are_never_shown(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every secret is said to be set, and its value is nowhere on the page."""
    for doc in described():
        if doc.is_secret:
            monkeypatch.setenv(doc.name, SECRET)
    settings = replace(Settings.from_env(), model_api_url="https://ann:hunter2@model.example")
    studio.workbench.settings = settings
    studio.sign_in("ADMIN")
    page = studio.open("settings")
    seen = words(page) + str(page.main)
    assert "set, not shown" in seen
    assert SECRET not in seen
    assert "hunter2" not in seen


def test_a_link_to_one_setting_works(open_studio: Studio) -> None:
    """The search is in the address."""
    seen = words(open_studio.open("settings", find="lightbox_memory_floor_mb"))
    assert "LIGHTBOX_MEMORY_FLOOR_MB" in seen
    assert "1 shown" in seen


def test_nothing_found_says_what_to_do(open_studio: Studio) -> None:
    """The empty state."""
    assert "No setting matches" in words(open_studio.open("settings", find="no such thing"))


def test_only_what_is_set(open_studio: Studio) -> None:
    """The switch leaves defaults out."""
    page = open_studio.open("settings")
    page.toggle[0].set_value(True).run()
    seen = words(page)
    assert "LIGHTBOX_HOME" in seen
    assert "LIGHTBOX_MAX_FRAMES" not in seen


@pytest.mark.parametrize("role", ["UPLOADER", "ANNOTATOR", "REVIEWER"])
def test_it_is_for_administrators(studio: Studio, role: str) -> None:
    """Other roles see no value."""
    studio.sign_in(role)
    seen = words(studio.open("settings"))
    assert "Not for your role" in seen
    assert str(studio.settings.home) not in seen


def test_markup_in_a_value_stays_text(open_studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody wrote into a variable is shown, not run."""
    open_studio.workbench.settings = replace(open_studio.settings, root_path="<script>x</script>")
    seen = words(open_studio.open("settings", find="ROOT_PATH"))
    assert "<script>x" not in seen
    assert "&lt;script&gt;x" in seen


def test_filters_look_at_names_values_and_older_names() -> None:
    """Words may be in any of them, in any case, and all of them must be there."""
    values = in_force(Settings.from_env({"PORT": "81"}), {"PORT": "81"})
    assert [one.doc.name for one in chosen(values, Filter(words="PORT listen"))] == [
        "LIGHTBOX_PORT"
    ]
    assert [one.doc.name for one in chosen(values, Filter(only_set=True))] == ["LIGHTBOX_PORT"]
    (port,) = chosen(values, Filter(only_set=True))
    assert source(port) == "set in the environment by the older name PORT"
