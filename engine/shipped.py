"""Where the files that ship with Lightbox lie: models with their cards, examples, pages."""

from __future__ import annotations

from pathlib import Path

from engine.errors import MissingBackendError

__all__ = ["shipped"]

_ASSETS = Path(__file__).resolve().parent.parent / "assets"


def shipped(*parts: str) -> Path:
    """Return the path of a shipped file or folder, such as ``shipped("models", "eyes")``.

    Raises
    ------
    MissingBackendError
        When the installation is incomplete.
    """
    path = _ASSETS.joinpath(*parts)
    if not path.exists():
        raise MissingBackendError(
            f"Expected {'/'.join(('assets', *parts))} beside the engine, but it is not there; "
            "install Lightbox again."
        )
    return path
