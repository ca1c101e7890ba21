"""Serve the real page with a runner that only pretends: ``python -m tests.ui_gradio.spine.play``.

For work on the page: every upload "finds" the same drawn spine after a few seconds. A file that
begins with ``bad`` is refused when looked at, one that begins with ``fail`` fails at the end.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from engine.errors import NotFoundError
from engine.settings import Settings
from tests.ui_gradio.spine.stand_ins import StandInModels, StandInRunner
from ui_gradio.spine import build_app, mount
from ui_gradio.spine.engine_parts import EngineShowcase
from ui_gradio.spine.routes import build_router
from ui_gradio.spine.service import SpineService


class PlayShowcase:
    """The engine's pictures, and one file where the engine's files are missing."""

    def __init__(self) -> None:
        self._engine = EngineShowcase()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def downloads(self, saved: Any) -> list[dict[str, Any]]:
        """Return the engine's list, else two lines to look at."""
        try:
            return self._engine.downloads(saved)
        except ImportError:
            return [
                {"name": "result.json", "title": "Result (JSON)", "why": None},
                {"name": "labels.dcm", "title": "DICOM SEG", "why": "Only from DICOM input."},
            ]

    def file(self, saved: Any, name: str) -> tuple[bytes, str]:
        """Return the engine's file, else a small one."""
        try:
            return self._engine.file(saved, name)
        except ImportError:
            if name == "result.json":
                return b"{}", "application/json"
            raise NotFoundError("There is no such file.") from None


def build(*, step_s: float, steps: int) -> FastAPI:
    """Return the application."""
    folder = Path(tempfile.mkdtemp(prefix="lightbox-play-"))
    service = SpineService(
        runner=StandInRunner(folder / "runs", steps=steps, step_s=step_s),
        showcase=PlayShowcase(),
        models=StandInModels(step_s=0.5),
        settings=Settings(),
        folder=folder,
    )
    app = FastAPI()
    app.include_router(build_router(service))
    return mount(app, build_app(service), service.settings)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7999)
    parser.add_argument("--step", type=float, default=0.4, help="seconds of each step")
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    app = build(step_s=options.step, steps=options.steps)
    print(f"http://127.0.0.1:{options.port}/spine/")  # noqa: T201 – a command for people
    uvicorn.run(app, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
