"""The engine's runner, pictures, files and weights, in the shape that the service asks for.

Heavy modules are opened when first used: a server that nobody asks for a CT stays small.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Event
from typing import TYPE_CHECKING, Any, final

from engine.errors import NotFoundError, RequestError
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["EngineModels", "EngineShowcase"]

Document = dict[str, Any]


@final
class EngineShowcase:
    """Pictures and files that the engine makes of a result."""

    def about(self, saved: SavedDetection) -> Document:
        """Return ``views``, ``windows`` and ``palette``."""
        from engine.spine import pictures

        return {
            "views": pictures.view_geometry(saved),
            "windows": pictures.windows_json(),
            "palette": pictures.palette_json(),
        }

    def downloads(self, saved: SavedDetection) -> list[Document]:
        """Return ``name``, ``title`` and ``why`` (not, else None) of each file."""
        from engine.spine.exports import EXPORTS

        return [
            {"name": name, "title": export.title, "why": export.why_not(saved)}
            for name, export in EXPORTS.items()
        ]

    def slice_png(self, saved: SavedDetection, plane: str, index: int, window: str) -> bytes:
        """Return one slice of the CT."""
        from engine.spine import pictures

        return pictures.slice_png(saved, plane, index, window)

    def label_slice_png(self, saved: SavedDetection, plane: str, index: int) -> bytes:
        """Return one slice of the label map."""
        from engine.spine import pictures

        return pictures.label_slice_png(saved, plane, index)

    def spine_png(
        self, saved: SavedDetection, azimuth_deg: float, width: int, height: int
    ) -> bytes:
        """Return a picture of the vertebrae in space."""
        from engine.spine import pictures

        return pictures.spine_png(saved, azimuth_deg, width, height)

    def file(self, saved: SavedDetection, name: str) -> tuple[bytes, str]:
        """Return the bytes and the media type of a download.

        Raises
        ------
        NotFoundError
            When there is no such file.
        RequestError
            When it cannot be made of this result; the sentence says why.
        """
        from engine.spine.exports import EXPORTS

        if name not in EXPORTS:
            raise NotFoundError(f"There is no such file; there are {', '.join(EXPORTS)}.")
        export = EXPORTS[name]
        if why := export.why_not(saved):
            raise RequestError(why)
        return export.make(saved), export.media_type


@final
class EngineModels:
    """TotalSegmentator's weights on this machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def status(self) -> Document:
        """Return what is there of each model, also under older names."""
        from engine.spine.weights import ALIASES, models

        found = {state.model.name: state.document() for state in models(self._settings)}
        return found | {old: found[name] for old, name in ALIASES.items()}

    def names(self) -> Sequence[str]:
        """Return every name that :meth:`download` knows."""
        from engine.spine.weights import ALIASES, MODELS

        return [*(model.name for model in MODELS), *ALIASES]

    def download(self, name: str, stop: Event) -> Iterable[Document]:
        """Download a model; yields reports until it is there, has failed, or ``stop`` is set."""
        from engine.spine.weights import download

        for report in download(self._settings, name, stop=stop):
            yield report.document()
