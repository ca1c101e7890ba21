"""TotalSegmentator's weights in the shape that the service asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Event
from typing import Any, final

from engine.settings import Settings
from engine.spine.weights import ALIASES, MODELS, download, models

__all__ = ["InstalledModels"]

Document = dict[str, Any]


@final
class InstalledModels:
    """TotalSegmentator's weights on this machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def status(self) -> Document:
        """Return what is there of each model, also under older names."""
        found = {state.model.name: state.document() for state in models(self._settings)}
        return found | {old: found[name] for old, name in ALIASES.items()}

    def names(self) -> Sequence[str]:
        """Return every name that :meth:`download` knows."""
        return [*(model.name for model in MODELS), *ALIASES]

    def download(self, name: str, stop: Event) -> Iterable[Document]:
        """Download a model; yields reports until it is there, has failed, or ``stop`` is set."""
        for report in download(self._settings, name, stop=stop):
            yield report.document()
