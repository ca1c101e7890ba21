"""What is installed here and whether it works: the answers of ``lightbox doctor``."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Any

import engine
from engine.errors import LightboxError
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.spine.weights import ModelState

__all__ = ["diagnose"]

_LIBRARIES = (
    "gradio",
    "streamlit",
    "torch",
    "openvino",
    "opencv-python-headless",
    "dlib-bin",
    "pydicom",
    "tinydb",
)


def diagnose(settings: Settings) -> dict[str, Any]:
    """Return ``{"version", "python", "checks": [{"name", "ok", "detail"}], "healthy"}``.

    Each check does what it names: the model is opened and run, the folder is written to.
    """
    checks = [
        _check("libraries", _libraries),
        _check("memory", lambda: _memory(settings)),
        _check("home folder", lambda: _home(settings)),
        _check("eye check", lambda: _eyes(settings)),
        _check("vertebra models", lambda: _vertebra_models(settings)),
    ]
    return {
        "version": engine.__version__,
        "python": platform.python_version(),
        "checks": checks,
        "healthy": all(check["ok"] for check in checks),
    }


def _check(name: str, ask: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "detail": ask()}
    except LightboxError as error:
        return {"name": name, "ok": False, "detail": str(error)}


def _libraries() -> str:
    return ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)


def _memory(settings: Settings) -> str:
    from engine.memory_guard import MemoryGuard

    state = MemoryGuard(floor_mb=settings.memory_floor_mb).require(200, what="a first picture")
    return f"{state.available_mb:.0f} MB free of {state.total_mb:.0f} MB ({state.source})"


def _home(settings: Settings) -> str:
    from engine.home import own_temp_folder

    folder = own_temp_folder(settings)
    folder.rmdir()
    return f"{settings.home} can be written"


def _eyes(settings: Settings) -> str:
    from engine.eyes.screening import EyeScreener

    status = EyeScreener(settings).self_test()
    return f"{status['model']} on {status['runtime']}, heat maps {status['heat_maps']}"


def _vertebra_models(settings: Settings) -> str:
    """List what can be downloaded; that it is not there is no fault, a torn one is told."""
    from engine.spine.weights import models

    return "; ".join(_shown(state) for state in models(settings))


def _shown(state: ModelState) -> str:
    where = f", {state.size_mb:,.0f} MB in {state.path}" if state.size_mb else ""
    faults = f" ({'; '.join(state.faults)})" if state.faults else ""
    return f"{state.model.name} {state.status}{faults}{where}"
