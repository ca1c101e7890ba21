"""Serve the real page with a runner that only pretends: ``python -m tests.ui_gradio.spine.play``.

For work on the page: every upload "finds" the same drawn spine after a few seconds. A file that
begins with ``bad`` is refused when looked at, one that begins with ``fail`` fails at the end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import uvicorn
from fastapi import FastAPI

from engine.settings import Settings
from tests.ui_gradio.spine.stand_ins import StandInModels, StandInRunner
from ui_gradio.spine import build_app, mount
from ui_gradio.spine.routes import build_router
from ui_gradio.spine.service import SpineService


def pretend_exports() -> None:
    """Offer one file where the engine's files are not there yet."""
    try:
        from engine.spine.exports import EXPORTS
    except ImportError:
        module = ModuleType("engine.spine.exports")
        one = SimpleNamespace(
            title="Result (JSON)",
            file_name="result.json",
            media_type="application/json",
            make=lambda _: b"{}",
            why_not=lambda _: None,
        )
        seg = SimpleNamespace(title="DICOM SEG", why_not=lambda _: "Only from DICOM input.")
        module.EXPORTS = {"result.json": one, "labels.dcm": seg}
        sys.modules["engine.spine.exports"] = module
    else:
        assert EXPORTS


def build(*, step_s: float, steps: int) -> FastAPI:
    """Return the application."""
    pretend_exports()
    folder = Path(tempfile.mkdtemp(prefix="lightbox-play-"))
    service = SpineService(
        runner=StandInRunner(folder / "runs", steps=steps, step_s=step_s),
        models=StandInModels(step_s=0.5),
        settings=Settings(),
        folder=lambda: folder,
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
