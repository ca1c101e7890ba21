"""Everything about cells that the pages and routes ask for, with permissions and audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from engine.catalogue.cell_marks import CellMarks
from engine.catalogue.cell_pictures import CellPictures
from engine.catalogue.cell_presets import CellPresets
from engine.catalogue.cell_types import CellTypes

if TYPE_CHECKING:
    from engine.people.audit import AuditLog
    from engine.settings import Settings
    from engine.store import Store
    from engine.store.files import Files

__all__ = ["Cells"]


@final
class Cells:
    """``types``, ``marks``, ``presets`` and ``pictures`` of one home; safe from any thread."""

    def __init__(self, settings: Settings, store: Store, files: Files, audit: AuditLog) -> None:
        self.types = CellTypes(store, audit)
        self.marks = CellMarks(store, audit)
        self.presets = CellPresets(store)
        self.pictures = CellPictures(settings, store, files, self.marks, audit)
