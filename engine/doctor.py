"""What is installed here and whether it works: the answers of ``lightbox doctor``."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Any

import engine
from engine.errors import DamagedStoreError, DiskShortError, LightboxError
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.spine.weights import ModelState
    from engine.store import Store

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
    "bcrypt",
    "PyJWT",
    "prometheus-client",
)


def diagnose(settings: Settings) -> dict[str, Any]:
    """Return ``{"version", "python", "checks": [{"name", "ok", "detail"}], "healthy"}``.

    Each check does what it names: the model is opened and run, the folder is written to.
    """
    checks = [
        _check("libraries", _libraries),
        _check("memory", lambda: _memory(settings)),
        _check("home folder", lambda: _home(settings)),
        _check("disk", lambda: _disk(settings)),
        _check("records", lambda: _records(settings)),
        _check("files", lambda: _files(settings)),
        _check("audit log", lambda: _audit(settings)),
        _check("backups", lambda: _backups(settings)),
        _check("worker", lambda: _worker(settings)),
        _check("eye check", lambda: _eyes(settings)),
        _check("vertebra models", lambda: _vertebra_models(settings)),
        _check("cell finder", lambda: _cells(settings)),
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


def _disk(settings: Settings) -> str:
    import shutil

    from engine.monitoring.pings import DISK_FAILED_MB

    disk = shutil.disk_usage(settings.home)  # made by the check of the home folder
    text = f"{disk.free / 1e6:.0f} MB free of {disk.total / 1e6:.0f} MB"
    if disk.free / 1e6 < DISK_FAILED_MB:
        raise DiskShortError(f"{text}; at least {DISK_FAILED_MB:.0f} MB are needed, make room.")
    return text


def _records(settings: Settings) -> str:
    store = _store(settings)
    if store is None:
        return "none yet"
    damaged = store.damage()
    if damaged:
        raise DamagedStoreError(" ".join(map(str, damaged)))
    return f"all {len(store.names)} collections are whole"


def _store(settings: Settings) -> Store | None:
    """Open the records as they are: looking must not migrate them, nor make a folder for them."""
    folder = settings.home / "records"
    if not folder.is_dir():
        return None
    from engine.store import Store

    return Store(folder, for_restore=True)


def _files(settings: Settings) -> str:
    from engine.store.files import open_files

    return open_files(settings).ping()


def _audit(settings: Settings) -> str:
    if not (settings.home / "records" / "audit").is_dir():
        return "nothing logged yet"
    from engine.people.audit import open_audit

    report = open_audit(settings).verify()
    if not report.ok:
        raise DamagedStoreError(report.sentence)
    return report.sentence


def _backups(settings: Settings) -> str:
    """Count the good ones; that there is none is no fault of the installation."""
    store = _store(settings)
    good = () if store is None else store.backups.read().where(state="good")
    if not good:
        return f"none that is good yet, {settings.backup_folder} takes them"
    newest = max(backup.created_at for backup in good)
    return f"{len(good)} good, the newest of {newest:%Y-%m-%d %H:%M} UTC"


def _worker(settings: Settings) -> str:
    """Say who works; none does when no server runs, which is no fault."""
    from engine.jobs.presence import workers_seen

    living = [seen for seen in workers_seen(settings) if seen.is_alive]
    if not living:
        return "none alive; 'lightbox serve' starts one"
    return ", ".join(f"process {seen.process_id} on {seen.host}" for seen in living)


def _eyes(settings: Settings) -> str:
    from engine.eyes.screening import EyeScreener

    status = EyeScreener(settings).self_test()
    return f"{status['model']} on {status['runtime']}, heat maps {status['heat_maps']}"


def _cells(settings: Settings) -> str:
    import numpy as np

    from engine.cells.detecting import open_detector

    detector = open_detector("network", settings=settings)
    found = detector.detect(np.full((64, 64, 3), 228, np.uint8))
    return f"{detector.name}; {len(found.cells)} cells on an empty slide"


def _vertebra_models(settings: Settings) -> str:
    """List what can be downloaded; that it is not there is no fault, a torn one is told."""
    from engine.spine.weights import models

    return "; ".join(_shown(state) for state in models(settings))


def _shown(state: ModelState) -> str:
    where = f", {state.size_mb:,.0f} MB in {state.path}" if state.size_mb else ""
    faults = f" ({'; '.join(state.faults)})" if state.faults else ""
    return f"{state.model.name} {state.status}{faults}{where}"
