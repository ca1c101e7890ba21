"""What stands in a patient's report: samples with boxed pictures, counts, findings, by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, final

from engine.cells.differential import Share, differential, more_to_count
from engine.store.records import CellAnnotation, Image, Patient, PatientAnnotation, Sample

if TYPE_CHECKING:
    from engine.imaging.palettes import Colour

__all__ = [
    "MOST_PICTURES",
    "NOTICE",
    "Counted",
    "Finding",
    "PatientReport",
    "SampleSection",
    "Shown",
    "Source",
    "enough",
    "report_of",
    "share_words",
    "when",
]

MOST_PICTURES: Final = 40
"""Pictures in one report; of the rest the counts alone are given."""
NOTICE: Final = "From a research demonstrator, not a medical device."
_PEOPLE: Final = frozenset({"human", "edited"})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How the cells divide; ``checked`` of ``total`` were marked or changed by a person."""

    shares: tuple[Share, ...]
    total: int
    checked: int
    more: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture with its boxes as JPEG, its size in pixels as stored, and what it is called."""

    jpeg: bytes
    width_px: int
    height_px: int
    caption: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSection:
    """One sample: ``lines`` say when, by whom and how far it is."""

    title: str
    lines: tuple[str, ...]
    pictures: tuple[Shown, ...]
    counted: Counted


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one person concluded, and when."""

    adequacy: str
    codes: tuple[str, ...]
    comments: str
    by: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PatientReport:
    """All of a report; ``facts`` are names and values, ``left_out`` says what is not in it."""

    title: str
    made: str
    facts: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    counted: Counted
    colours: Mapping[str, Colour]
    samples: tuple[SampleSection, ...]
    left_out: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A sample with what belongs to it; ``view`` draws one of its pictures as JPEG."""

    sample: Sample
    images: tuple[Image, ...]
    cells: tuple[CellAnnotation, ...]
    view: Callable[[Image], bytes]


def report_of(
    patient: Patient,
    sources: Sequence[Source],
    findings: Iterable[PatientAnnotation],
    *,
    name_of: Callable[[str], str],
    colours: Mapping[str, Colour],
    made_by: str,
    made_at: datetime,
) -> PatientReport:
    """Return the report; ``patient`` has name and contact only where they are to be read."""
    sections, shown = [], 0
    for source in sources:
        images = source.images[: max(0, MOST_PICTURES - shown)]
        shown += len(images)
        sections.append(_section(source, images, name_of))
    every = sum(len(source.images) for source in sources)
    return PatientReport(
        title=f"Patient {patient.patient_id}",
        made=f"{when(made_at)}, by {made_by}",
        facts=_facts(patient),
        findings=tuple(_finding(finding, name_of) for finding in findings),
        counted=_counted([cell for source in sources for cell in source.cells]),
        colours=colours,
        samples=tuple(sections),
        left_out=f"{every - shown} more pictures are not shown." if every > shown else "",
    )


def when(moment: datetime) -> str:
    """Return a moment with its zone.

    >>> from datetime import UTC
    >>> when(datetime(2026, 11, 20, 8, 5, tzinfo=UTC))
    '20 Nov 2026, 08:05 UTC'
    """
    return f"{moment.day} {moment:%b %Y, %H:%M %Z}"


def share_words(share: Share) -> str:
    """Return a share with its interval in percent."""
    value, low, high = (
        100 * part for part in (share.share.value, share.share.low, share.share.high)
    )
    return f"{value:.1f} % ({low:.1f} to {high:.1f} %)"


def enough(counted: Counted) -> str:
    """Say whether enough was counted, and how much of it a person has looked at."""
    if not counted.total:
        return "No cell was marked."
    cells = "cell" if counted.total == 1 else "cells"
    seen = f"{counted.total:,} {cells}, {counted.checked:,} marked or changed by a person."
    if not counted.more:
        return f"{seen} Every share is known to ±5 %."
    return f"{seen} Count {counted.more:,} more for ±5 % on every share."


def _counted(cells: Sequence[CellAnnotation]) -> Counted:
    counts = Counter(cell.cell_type for cell in cells)
    return Counted(
        shares=differential(counts),
        total=len(cells),
        checked=sum(cell.origin in _PEOPLE for cell in cells),
        more=more_to_count(counts) if counts else 0,
    )


def _facts(patient: Patient) -> tuple[tuple[str, str], ...]:
    facts = [
        ("Name", patient.name),
        ("Contact", patient.contact),
        ("Age", "" if patient.age is None else f"{patient.age} years"),
        ("Gender", patient.gender),
        ("Comments", patient.comments),
    ]
    return tuple((name, value) for name, value in facts if value)


def _finding(finding: PatientAnnotation, name_of: Callable[[str], str]) -> Finding:
    return Finding(
        adequacy=finding.adequacy.capitalize(),
        codes=finding.diagnosis,
        comments=finding.comments,
        by=f"{name_of(finding.user_id)}, {when(finding.updated_at)}",
    )


def _section(
    source: Source, images: Sequence[Image], name_of: Callable[[str], str]
) -> SampleSection:
    sample = source.sample
    people = {cell.user_id: cell.updated_at for cell in source.cells if cell.origin in _PEOPLE}
    looked = ", ".join(sorted(name_of(name) for name in people))
    lines = [
        f"Sent {when(sample.created_at)} by {name_of(sample.uploader_id)}",
        f"Processing: {sample.inference_status}",
    ]
    if people:
        lines.append(f"Marked by {looked}, last {when(max(people.values()))}")
    return SampleSection(
        title=sample.original_filename or f"Sample {sample.id[-6:]}",
        lines=tuple(lines),
        pictures=tuple(_shown(source, image) for image in images),
        counted=_counted(source.cells),
    )


def _shown(source: Source, image: Image) -> Shown:
    cells = sum(cell.image_id == image.id for cell in source.cells)
    size = f"{image.width_px}×{image.height_px} px"
    return Shown(
        jpeg=source.view(image),
        width_px=image.width_px,
        height_px=image.height_px,
        caption=f"{image.name}, {size}, {cells} cell{'' if cells == 1 else 's'}",
    )
