"""What a report says, in words and order, for whoever sets it: HTML or print.

Everything comes from the result document, which holds no header values of the upload.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.imaging.palettes import Colour
from engine.spine.audit.findings import Verdict
from engine.spine.pictures.colours import colour_of_code

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["Figure", "Report", "ReportRow", "jpeg", "report_of"]

TITLE = "Vertebrae in a CT"
COLUMNS: tuple[str, ...] = (
    "Name",
    "Height (mm)",
    "Volume (ml)",
    "Mean (HU)",
    "Centre right, front, head (mm)",
    "Confidence",
    "Remarks",
)
NOT_MEASURED = "–"

_FLAGS = {
    "two_parts": "in two parts",
    "process_cut": "body whole",
}
_BACKENDS = {
    "embedded": "the network that ships with Lightbox",
    "nnunet": "TotalSegmentator's weights in Lightbox's own prediction",
    "totalsegmentator": "TotalSegmentator",
}
_KINDS = {"dicom": "DICOM", "nifti": "NIfTI", "nrrd": "NRRD", "mha": "MetaImage"}
_WHOLE_MAP = "Volumes are of the whole labelled vertebra, arch and processes included."
_BODIES_ONLY = "Only vertebral bodies are labelled; volumes are theirs."
_MEASURES = (
    "Height is that of the body along the spine; the mean CT number is that of the body's inside "
    "and depends on contrast medium and tube voltage. Centres are in the patient's RAS+ "
    "coordinates: right, front and head count up."
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """A vertebra in the table: its colour, and a cell for each of ``COLUMNS``."""

    colour: Colour
    cells: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Figure:
    """A picture ``(H, W, 3) uint8 RGB`` with the words below it."""

    pixels: NDArray[np.uint8]
    caption: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole report: the verdict first, then pictures, the table, reasons and origins."""

    title: str
    when: str
    notice: str
    count: str
    verdict: Verdict
    headline: str
    reasons: tuple[str, ...]
    figures: tuple[Figure, ...]
    rows: tuple[ReportRow, ...]
    table_note: str
    origins: tuple[tuple[str, str], ...]


def report_of(
    saved: SavedDetection, *, when: datetime | None = None, ground: Literal["black", "white"]
) -> Report:
    """Return the report of a detection.

    ``when`` is the time that stands on it, by default now, in local time. ``ground`` is what the
    3-D picture lies on.
    """
    document = saved.document()
    moment = when or datetime.now().astimezone()
    audit = document["audit"]
    return Report(
        title=TITLE,
        when=f"{moment:%Y-%m-%d %H:%M}" + (f" {moment.tzname()}" if moment.tzinfo else ""),
        notice=document["disclaimer"],
        count=_count(document["vertebrae"]),
        verdict=audit["verdict"],
        headline=_headline(document),
        reasons=(*_moved(document), *audit["sentences"][1:]) if document["vertebrae"] else (),
        figures=_figures(saved, ground),
        rows=tuple(_row(vertebra) for vertebra in document["vertebrae"]),
        table_note=_table_note(saved, document),
        origins=tuple(_origins(document)),
    )


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return RGB pixels as JPEG, good enough to print."""
    import cv2

    ordered = np.ascontiguousarray(pixels[..., ::-1])
    _, packed = cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return bytes(packed)


# --- words ---------------------------------------------------------------------------------------


def _count(vertebrae: Sequence[Mapping[str, Any]]) -> str:
    if not vertebrae:
        return "No vertebra was found."
    if len(vertebrae) == 1:
        return f"One vertebra was found: {vertebrae[0]['label']}."
    first, last = vertebrae[0]["label"], vertebrae[-1]["label"]
    return f"{len(vertebrae)} vertebrae were found, from {first} to {last}."


def _headline(document: Mapping[str, Any]) -> str:
    if not document["vertebrae"]:
        return "Nothing to check: no vertebra was found."
    return str(document["audit"]["sentences"][0])


def _moved(document: Mapping[str, Any]) -> tuple[str, ...]:
    shift = int(document["shift"])
    if shift == 0:
        return ()
    where = "down" if shift > 0 else "up"
    levels = "level" if abs(shift) == 1 else "levels"
    return (f"A person moved all names {abs(shift)} {levels} {where}.",)


def _row(vertebra: Mapping[str, Any]) -> ReportRow:
    centre = vertebra["center_mm"]
    remarks = ["cut by the border"] if vertebra["truncated"] else []
    remarks += [_FLAGS.get(flag, flag.replace("_", " ")) for flag in vertebra["flags"]]
    return ReportRow(
        colour=colour_of_code(vertebra["code"]),
        cells=(
            vertebra["label"],
            _number(vertebra["height_mm"], 1),
            _number(vertebra["volume_ml"], 1),
            _number(vertebra["mean_hu"], 0),
            ", ".join(_number(centre[axis], 0) for axis in "xyz"),
            f"{100 * vertebra['confidence']:.0f}\N{NO-BREAK SPACE}%",
            ", ".join(remarks),
        ),
    )


def _table_note(saved: SavedDetection, document: Mapping[str, Any]) -> str:
    whole = _WHOLE_MAP if saved.findings.whole else _BODIES_ONLY
    return f"{whole} {_MEASURES} Confidence: {_lower(document['confidence_meaning'])}"


def _origins(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    given = document["input"]
    spacing = " × ".join(_number(step, 2) for step in given["spacing_mm"])
    voxels = " × ".join(str(side) for side in given["shape"])
    task = f", task {document['task']}" if document["task"] else ""
    told = [
        ("CT", _kind(given)),
        ("Voxels", f"{voxels} of {spacing} mm, axes {given['axis_codes']}"),
        ("Found by", f"{_BACKENDS[document['backend']]} ({document['model']}{task})"),
        ("Time taken", f"{document['processing_time_ms'] / 1000:.1f} s"),
    ]
    others = len(given["other_series"])
    if others:
        told.append(("Other series", f"{others} in the upload, not used"))
    told += [("Reading", warning) for warning in given["warnings"]]
    told += [("Note", note) for note in document["notes"]]
    removed = len(given["removed_headers"])
    if removed:
        told.append(("Privacy", f"{removed} header fields were removed or replaced on reading"))
    return told


def _kind(given: Mapping[str, Any]) -> str:
    kind = _KINDS.get(given["kind"], given["kind"])
    description = str(given["series"]["description"])
    return description if description.startswith(kind) else f"{kind}, {description}"


def _number(value: float | None, digits: int) -> str:
    """Return a number for people, with a real minus sign.

    >>> _number(-12.34, 1), _number(None, 1), _number(-0.04, 1)
    ('−12.3', '–', '0.0')
    """
    if value is None:
        return NOT_MEASURED
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


# --- pictures ------------------------------------------------------------------------------------


def _figures(saved: SavedDetection, ground: Literal["black", "white"]) -> tuple[Figure, ...]:
    from engine.spine.pictures.reformats import labelled_reformat
    from engine.spine.pictures.rendering import SpineView, spine_picture

    bends = ", along the vertebral bodies" if saved.vertebrae else " through the middle"
    flat = (
        Figure(pixels=labelled_reformat(saved, "sagittal"), caption=f"Sagittal{bends}"),
        Figure(pixels=labelled_reformat(saved, "coronal"), caption=f"Coronal{bends}"),
    )
    if not saved.vertebrae:
        return flat
    view = SpineView(azimuth_deg=50.0, width=520, height=flat[0].pixels.shape[0], ground=ground)
    return (*flat, Figure(pixels=spine_picture(saved, view), caption="From the front and left"))
