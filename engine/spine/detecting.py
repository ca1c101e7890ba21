"""From a CT to named vertebrae: segment, measure, audit; and all names moved by some levels.

Knows the seam, not the backends; writes no file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.errors import MissingBackendError, RequestError
from engine.imaging.volume_files.results import ReadVolume
from engine.imaging.volumes import Volume
from engine.spine.audit import Anchors, audit_numbering, with_confidence
from engine.spine.audit.findings import NumberingAudit
from engine.spine.measures import field_of_view, measure_vertebrae
from engine.spine.results import (
    Detection,
    Findings,
    FoundVertebra,
    Grid,
    ReadFacts,
    VoxelBounds,
)
from engine.spine.segmenters import (
    LABEL_NAMES,
    SACRUM_CODE,
    Progress,
    RunWatch,
    Segmentation,
    SpineSegmenter,
    Task,
)
from engine.spine.vertebrae import LABELS, VERSE_CODES, Point, Vertebra, shift_names

__all__ = ["NOTHING_FOUND", "detect", "moved_codes", "renamed", "renamed_findings"]

Labels = NDArray[np.uint8]
Slices = tuple[slice, ...]
AnyFindings = TypeVar("AnyFindings", bound=Findings)

NOTHING_FOUND = (
    "No vertebra was found in this CT. That does not exclude that there are some: the part of the "
    "body, the contrast or the orientation may be unlike what the model knows."
)

MOST_ML, MOST_MM = 300.0, 250.0
"""No vertebra is as large: a lumbar one has about 60 ml and 110 mm (two in one, and metal on it,
still pass). What is wider has to be one piece for the most part."""

_CODES = {name: code for code, name in LABEL_NAMES.items()}
_SEGMENTING_SHARE = 0.94  # of the whole, for the progress
_CRUMB_SHARE = 0.02
"""Separate crumbs below this share of an object do not widen its box; as in measuring."""
_QUIET = RunWatch()


def detect(
    read: ReadVolume,
    segmenter: SpineSegmenter,
    *,
    transitional: bool = True,
    task: Task | None = None,
    watch: RunWatch = _QUIET,
) -> Detection:
    """Find, measure and name the vertebrae of a CT, and audit the names.

    Parameters
    ----------
    read
        The CT with the story of its reading.
    segmenter
        Who finds; see :func:`engine.spine.backends.open_segmenter`.
    transitional
        Whether the audit considers T13, L6, eleven thoracic and four lumbar vertebrae.
    task
        The segmenter's task, where it has one; only told in the answer.
    watch
        Told of progress over the whole detection; asked before memory is taken.

    Raises
    ------
    MissingBackendError
        When a library or weights of the segmenter are not there.
    MemoryShortError
        From ``watch.before``, before anything heavy is begun.
    """
    volume = read.volume
    lacking = segmenter.missing()
    if lacking is not None:
        raise MissingBackendError(lacking)
    steps = _Steps(watch)
    forecast = segmenter.forecast(volume.shape, volume.spacing_mm)
    watch.before(forecast.memory_mb, forecast.what)
    segmentation = segmenter.segment(volume, steps.part(0.0, _SEGMENTING_SHARE))
    _check_grid(segmentation.labels, volume, segmenter.name)
    steps.done("segmenting", _SEGMENTING_SHARE, "Measuring vertebrae")
    measured = _measured(segmentation, volume)
    labels, vertebrae, boxes = measured.labels, measured.vertebrae, measured.boxes
    steps.done("measuring", 0.98, "Checking the names")
    own = tuple(vertebra.confidence for vertebra in vertebrae)
    agreement = _in_order(segmentation.agreement, vertebrae)
    vertebrae, audit = _audited(
        vertebrae,
        anchors=segmentation.anchors,
        grid=Grid.of(volume),
        agreement=agreement,
        transitional=transitional,
    )
    found = tuple(_found(vertebra, boxes, volume) for vertebra in vertebrae)
    steps.done("auditing", 1.0, "Done")
    return Detection(
        volume=volume,
        labels=labels,
        found=found,
        audit=audit,
        anchors=segmentation.anchors,
        backend=segmenter.name,
        model=segmentation.model,
        task=task,
        facts=ReadFacts.of(read),
        timings_ms=steps.timings_ms,
        notes=(*segmentation.notes, *_notes(found, measured.impossible)),
        whole=segmentation.whole,
        transitional=transitional,
        own=own,
        agreement=agreement,
        has_sacrum=measured.has_sacrum,
    )


def renamed(detection: Detection, steps: int) -> Detection:
    """Move every name by ``steps`` levels; label map, records and audit follow.

    Raises
    ------
    RequestError
        When a name would leave the spine, or become S1 above a sacrum that was found.
    """
    if steps == 0:
        return detection
    moved = renamed_findings(detection, steps, detection.grid)
    labels = moved_codes(detection.found, moved.found)[detection.labels]
    return replace(moved, labels=labels)


def renamed_findings(findings: AnyFindings, steps: int, grid: Grid) -> AnyFindings:
    """Move every name of findings by ``steps`` levels and audit again.

    Raises
    ------
    RequestError
        When a name would leave the spine, or become S1 above a sacrum that was found.
    """
    own = findings.own or (1.0,) * len(findings.found)
    before = [replace(f.vertebra, confidence=o) for f, o in zip(findings.found, own, strict=True)]
    names = shift_names(before, steps)
    if findings.has_sacrum and any(vertebra.label == "S1" for vertebra in names):
        raise RequestError(
            f"Moved by {steps:+d}, {before[-1].label} would become S1, but a sacrum was found "
            "below it; move the names the other way."
        )
    vertebrae, audit = _audited(
        names,
        anchors=findings.anchors,
        grid=grid,
        agreement=findings.agreement,
        transitional=findings.transitional,
    )
    found = tuple(
        replace(f, vertebra=vertebra, code=_CODES[vertebra.label])
        for f, vertebra in zip(findings.found, vertebrae, strict=True)
    )
    return replace(findings, found=found, audit=audit, shift=findings.shift + steps)


def moved_codes(before: Sequence[FoundVertebra], after: Sequence[FoundVertebra]) -> Labels:
    """Return the table ``(256,)`` that turns codes of a label map before a shift into those after.

    ``table[labels]`` is the new map; codes that are no vertebra's stay.
    """
    table = np.arange(256, dtype=np.uint8)
    for old, new in zip(before, after, strict=True):
        table[old.code] = new.code
    return table


def _notes(found: Sequence[FoundVertebra], impossible: set[int]) -> tuple[str, ...]:
    notes = []
    if impossible:
        names = ", ".join(LABEL_NAMES[code] for code in sorted(impossible))
        notes.append(
            f"What the model called {names} is scattered or far too large for a vertebra; it was "
            "left out."
        )
    return (*notes, *(() if found else (NOTHING_FOUND,)))


# --- progress and time ---------------------------------------------------------------------------


@final
@dataclass(slots=True, kw_only=False)
class _Steps:
    """Progress of the whole from that of its parts, and the time that each part took."""

    watch: RunWatch
    timings_ms: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.perf_counter)

    def part(self, start: float, stop: float) -> RunWatch:
        """Return a watch for a step between two shares of the whole."""
        listen: Callable[[Progress], object] = self.watch.on_progress

        def heard(progress: Progress) -> None:
            listen(replace(progress, done=start + (stop - start) * progress.done))

        return replace(self.watch, on_progress=heard)

    def done(self, step: str, share: float, following: str) -> None:
        """Note the time of a step that has ended, and say what follows."""
        now = time.perf_counter()
        self.timings_ms[step] = (now - self._since) * 1000.0
        self._since = now
        self.watch.on_progress(Progress(step=step, done=share, text=following))


# --- measuring -----------------------------------------------------------------------------------


def _check_grid(labels: Labels, volume: Volume, backend: str) -> None:
    if labels.shape != volume.shape:
        raise RequestError(
            f"{backend} returned labels {labels.shape} for a CT of {volume.shape} voxels; "
            "this is a fault of ours."
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A label map without crumbs, the vertebrae in it from the head down, and their boxes.

    ``impossible`` are codes that no vertebra can carry and that are no longer in the map.
    """

    labels: Labels
    vertebrae: tuple[Vertebra, ...]
    boxes: Mapping[str, VoxelBounds]
    impossible: set[int]
    has_sacrum: bool


def _measured(segmentation: Segmentation, volume: Volume) -> _Measured:
    """Measure; the map is cleared of what is not listed, so that both always agree."""
    labels = segmentation.labels
    boxes = _boxes(labels)
    impossible = _impossible(labels, boxes, volume.spacing_mm)
    labels = _without(labels, impossible)
    around = _around(list(boxes.values()), labels.shape)
    vertebrae: tuple[Vertebra, ...] = ()
    if around is not None:
        vertebrae = _in_memory_order(
            labels[around], volume.cropped([(s.start, s.stop) for s in around])
        )
    listed = {_CODES[vertebra.label] for vertebra in vertebrae}
    labels = _without(labels, set(boxes) - listed - {SACRUM_CODE})
    tight = {LABEL_NAMES[at]: _bounds(labels, at, boxes[at]) for at in listed}
    completed = [_completed(v, segmentation, tight[v.label], volume) for v in vertebrae]
    return _Measured(
        labels=labels,
        vertebrae=tuple(_from_the_head(completed)),
        boxes=tight,
        impossible=impossible,
        has_sacrum=SACRUM_CODE in boxes,
    )


def _impossible(labels: Labels, boxes: dict[int, Slices], spacing_mm: Sequence[float]) -> set[int]:
    """Take codes out of ``boxes`` that no vertebra can carry, and return them.

    Far too large, or scattered over the picture: what a model without an idea writes. Measuring
    their shapes would take minutes.
    """
    gone = set()
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    for code in set(boxes) - {SACRUM_CODE}:
        box = boxes[code]
        mask = labels[box] == code
        count = int(np.count_nonzero(mask))
        extent = max((s.stop - s.start) * mm for s, mm in zip(box, spacing_mm, strict=True))
        scattered = False
        if count * voxel_ml <= MOST_ML and extent > MOST_MM:
            parts, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
            scattered = int(np.bincount(parts.ravel())[1:].max()) < count / 2
        if scattered or count * voxel_ml > MOST_ML:
            gone.add(code)
            del boxes[code]
    return gone


def _from_the_head(vertebrae: Sequence[Vertebra]) -> list[Vertebra]:
    """Sort from the head down: by place, or by name where places and names agree.

    What the border leaves of a vertebra is often a process, which hangs below the next body.
    """
    by_place = sorted(vertebrae, key=lambda vertebra: -vertebra.centre_mm[2])
    levels = [LABELS.index(vertebra.label) for vertebra in by_place if not vertebra.truncated]
    if len(levels) < 2 or levels != sorted(levels):
        return by_place
    return sorted(vertebrae, key=lambda vertebra: LABELS.index(vertebra.label))


def _boxes(labels: Labels) -> dict[int, Slices]:
    """Return the box of each code; scanning a large map against its memory takes a second more."""
    is_turned = labels.strides[0] < labels.strides[2]
    objects = ndimage.find_objects(labels.T if is_turned else labels, max_label=max(LABEL_NAMES))
    return {
        code: box[::-1] if is_turned else box
        for code, box in enumerate(objects, start=1)
        if box is not None
    }


def _in_memory_order(labels: Labels, volume: Volume) -> tuple[Vertebra, ...]:
    """Measure in the axis order that the label map has in memory: the mm are the same."""
    affine, hu = volume.affine, volume.voxels
    if labels.strides[0] < labels.strides[2]:
        labels, affine, hu = labels.T, affine[:, [2, 1, 0, 3]], hu.T
    return measure_vertebrae(labels, affine, VERSE_CODES, hu=hu)


def _around(boxes: Sequence[Slices], shape: Sequence[int]) -> Slices | None:
    """Return the box around all boxes and one voxel more, None without any.

    The margin keeps what ends inside of the image from looking cut by its border.
    """
    if not boxes:
        return None
    return tuple(
        slice(
            max(0, min(box[axis].start for box in boxes) - 1),
            min(shape[axis], max(box[axis].stop for box in boxes) + 1),
        )
        for axis in range(3)
    )


def _without(labels: Labels, codes: set[int]) -> Labels:
    if not codes:
        return labels
    table = np.arange(256, dtype=np.uint8)
    table[list(codes)] = 0
    return np.asarray(table[labels])


def _bounds(labels: Labels, code: int, box: Slices) -> VoxelBounds:
    """Return the box around an object, without crumbs that lie apart."""
    mask = labels[box] == code
    parts, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if count > 1:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        mask = (sizes >= _CRUMB_SHARE * sizes.sum())[parts]
    low, high = [], []
    for axis in range(3):
        along = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        low.append(box[axis].start + int(along[0]))
        high.append(box[axis].start + int(along[-1]))
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _completed(
    vertebra: Vertebra, segmentation: Segmentation, box: VoxelBounds, volume: Volume
) -> Vertebra:
    """Add what the finder knows better: the body's centre and its own confidence."""
    code = _CODES[vertebra.label]
    centre = (segmentation.centres_mm or {}).get(code, vertebra.centre_mm)
    arch = vertebra.arch_mm
    if arch is not None and centre != vertebra.centre_mm:
        away = np.add(arch, vertebra.centre_mm) - centre
        arch = (float(away[0]), float(away[1]), float(away[2]))
    low, high = box
    touches = any(
        first == 0 or last == side - 1
        for first, last, side in zip(low, high, volume.shape, strict=True)
    )
    return replace(
        vertebra,
        centre_mm=_point(centre),
        arch_mm=arch,
        confidence=float(segmentation.confidences.get(code, 1.0)),
        truncated=vertebra.truncated or touches,
    )


def _found(vertebra: Vertebra, boxes: Mapping[str, VoxelBounds], volume: Volume) -> FoundVertebra:
    i, j, k = volume.voxel([vertebra.centre_mm])[0].tolist()
    return FoundVertebra(
        vertebra=vertebra,
        code=_CODES[vertebra.label],
        centre_voxel=(i, j, k),
        bounds_voxel=boxes[vertebra.label],
    )


# --- names ---------------------------------------------------------------------------------------


def _audited(
    vertebrae: Sequence[Vertebra],
    *,
    anchors: Anchors,
    grid: Grid,
    agreement: Sequence[float] | None,
    transitional: bool,
) -> tuple[tuple[Vertebra, ...], NumberingAudit]:
    audit = audit_numbering(
        vertebrae,
        anchors=anchors,
        fov_mm=field_of_view(grid.shape, grid.affine),
        agreement=agreement,
        transitional=transitional,
    )
    return with_confidence(vertebrae, audit), audit


def _in_order(
    shares: Mapping[int, float] | None, vertebrae: Sequence[Vertebra]
) -> tuple[float, ...] | None:
    if shares is None:
        return None
    return tuple(float(shares.get(_CODES[vertebra.label], 1.0)) for vertebra in vertebrae)


def _point(values: Sequence[float]) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
