"""The pages of the studio: one line each, with the action that a visitor needs for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import streamlit as st

from ui_streamlit.studio.visits import Visit

__all__ = ["PAGES", "StudioPage", "folder", "navigate", "page"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StudioPage:
    """One page: ``name`` is its file in ``studio_pages`` and its address."""

    name: str
    title: str
    icon: str
    action: str
    section: str


def folder() -> Path:
    """Return the folder with the files of the pages."""
    return Path(__file__).parents[1] / "studio_pages"


_TABLE: Final[tuple[tuple[str, str, str, str, str], ...]] = (
    ("home", "Home", "home", "studio.open", ""),
    ("datasets", "Datasets", "photo_library", "datasets.view", "Work"),
    ("patients", "Patients", "personal_injury", "patients.view", "Work"),
    ("annotate", "Annotate", "draw", "masks.view", "Work"),
    ("review", "Review", "fact_check", "masks.draw", "Work"),
    ("cells", "Cells", "bubble_chart", "cells.view", "Work"),
    ("train", "Train", "model_training", "models.view", "Work"),
    ("models", "Models", "deployed_code", "models.view", "Work"),
    ("predict", "Predict", "auto_awesome", "models.predict", "Work"),
    ("jobs", "Jobs", "list_alt", "jobs.view", "Work"),
    ("monitoring", "Monitoring", "monitor_heart", "monitoring.view", "Operation"),
    ("backups", "Backups", "inventory_2", "backups.view", "Operation"),
    ("settings", "Settings", "tune", "settings.view", "Operation"),
    ("users", "Users", "group", "users.view", "People"),
    ("audit", "Audit", "history_edu", "audit.view", "People"),
)

PAGES: Final[tuple[StudioPage, ...]] = tuple(
    StudioPage(name=name, title=title, icon=f":material/{icon}:", action=action, section=section)
    for name, title, icon, action, section in _TABLE
    if (folder() / f"{name}.py").exists()
)


def page(name: str) -> st.Page:
    """Return Streamlit's page of that name, for links: ``st.page_link(page("jobs"))``."""
    found = next(known for known in PAGES if known.name == name)
    return _streamlit_page(found, is_shown=True)


def navigate(arrived: Visit) -> st.Page:
    """Draw the menu of what ``arrived`` may see; return the page that was asked for.

    A page that is not for this role has an address all the same: it says so itself, which helps
    somebody with a link from a colleague more than "not found".
    """
    sections: dict[str, list[st.Page]] = {}
    for known in PAGES:
        is_shown = arrived.may(known.action)
        sections.setdefault(known.section, []).append(_streamlit_page(known, is_shown=is_shown))
    return st.navigation(sections, expanded=True)


def _streamlit_page(known: StudioPage, *, is_shown: bool) -> st.Page:
    return st.Page(
        folder() / f"{known.name}.py",
        title=known.title,
        icon=known.icon,
        url_path=known.name,
        default=known.name == "home",
        visibility="visible" if is_shown else "hidden",
    )
