"""Where a training's page finds things: the job's folders, and the note that steers it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from engine.jobs.folders import JobFolder, read_json, write_json
from engine.settings import Settings

__all__ = ["Wish", "ask", "kept_folder", "wish_of", "work_folder"]

Wish = Literal["go", "pause", "finish"]
_WISHES: Final[tuple[Wish, ...]] = ("go", "pause", "finish")


def work_folder(settings: Settings, job_id: str) -> Path:
    """Return the folder that a training works in; it goes when the job is done."""
    return JobFolder.of(settings, job_id).checkpoint


def kept_folder(settings: Settings, job_id: str) -> Path:
    """Return the folder with what stays to be looked at, as long as the job is listed."""
    return JobFolder.of(settings, job_id).path / "training"


def ask(settings: Settings, job_id: str, wish: Wish) -> None:
    """Leave word for a training; it hears it before its next step."""
    folder = JobFolder.of(settings, job_id).path
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_json(folder / "wish.json", {"wish": wish}, durable=True)


def wish_of(settings: Settings, job_id: str) -> Wish:
    """Return what was asked of a training last."""
    found = read_json(JobFolder.of(settings, job_id).path / "wish.json").get("wish")
    return next((wish for wish in _WISHES if wish == found), "go")
