"""The list of files: what each is called, what it is, who makes it, and when it cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from engine.errors import NotFoundError, RequestError
from engine.spine.exports.dicom_segmentation import dicom_seg, why_no_dicom_seg
from engine.spine.exports.label_maps import label_map_nifti
from engine.spine.exports.report_pages import report_html
from engine.spine.exports.report_prints import report_pdf
from engine.spine.exports.surfaces import glb, stl
from engine.spine.exports.tables import result_json, table_csv

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["EXPORTS", "Export", "make_export"]

NOTHING_TO_CUT = "No vertebra was found, so there is no surface."


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One file that can be taken away.

    ``name`` identifies it in addresses and is the proposed ``file_name``; ``title`` is for people.
    ``make`` returns its bytes. ``why_not`` returns the sentence that says why there is none for a
    detection, None where there is one.
    """

    name: str
    title: str
    media_type: str
    make: Callable[[SavedDetection], bytes]
    why_not: Callable[[SavedDetection], str | None]

    @property
    def file_name(self) -> str:
        """The name that a browser should save it under."""
        return self.name


def make_export(saved: SavedDetection, name: str) -> bytes:
    """Return the bytes of one export.

    Raises
    ------
    NotFoundError
        When there is no export of this name.
    RequestError
        When it cannot be had for this detection; the message says why.
    """
    if name not in EXPORTS:
        raise NotFoundError(f"Expected one of {', '.join(EXPORTS)}, but got {name[:60]!r}.")
    reason = EXPORTS[name].why_not(saved)
    if reason is not None:
        raise RequestError(reason)
    return EXPORTS[name].make(saved)


def _always(_: SavedDetection) -> None:
    return None


def _needs_vertebrae(saved: SavedDetection) -> str | None:
    return None if saved.vertebrae else NOTHING_TO_CUT


_ALL = (
    Export(
        name="labels.nii.gz",
        title="Label map (NIfTI)",
        media_type="application/gzip",
        make=label_map_nifti,
        why_not=_always,
    ),
    Export(
        name="vertebrae.csv",
        title="Table (CSV)",
        media_type="text/csv; charset=utf-8",
        make=table_csv,
        why_not=_always,
    ),
    Export(
        name="result.json",
        title="Result (JSON)",
        media_type="application/json",
        make=result_json,
        why_not=_always,
    ),
    Export(
        name="vertebrae.glb",
        title="Surfaces (GLB, coloured)",
        media_type="model/gltf-binary",
        make=glb,
        why_not=_needs_vertebrae,
    ),
    Export(
        name="vertebrae.stl",
        title="Surfaces (STL, for printing)",
        media_type="model/stl",
        make=stl,
        why_not=_needs_vertebrae,
    ),
    Export(
        name="labels.dcm",
        title="Segmentation (DICOM SEG)",
        media_type="application/dicom",
        make=dicom_seg,
        why_not=why_no_dicom_seg,
    ),
    Export(
        name="report.html",
        title="Report (HTML)",
        media_type="text/html; charset=utf-8",
        make=report_html,
        why_not=_always,
    ),
    Export(
        name="report.pdf",
        title="Report (PDF)",
        media_type="application/pdf",
        make=report_pdf,
        why_not=_always,
    ),
)

EXPORTS: Mapping[str, Export] = MappingProxyType({export.name: export for export in _ALL})
"""All exports by name, in the order of the page."""
