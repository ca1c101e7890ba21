"""The vertebra finder as a Gradio application and as plain routes."""

from __future__ import annotations

from engine.home import private_folder
from engine.settings import Settings
from engine.spine.runner import SpineRunner
from ui_gradio.spine.application import build_app, mount
from ui_gradio.spine.models import InstalledModels
from ui_gradio.spine.service import SpineService

__all__ = ["build_app", "mount", "open_service"]


def open_service(settings: Settings) -> SpineService:
    """Return a service with the engine's runner and weights; nothing starts before it is used.

    The server that has it closes it: ``with service.open():``.
    """
    return SpineService(
        runner=SpineRunner(settings),
        models=InstalledModels(settings),
        settings=settings,
        folder=lambda: private_folder(settings, "uploads"),
    )
