"""DICOM files to one volume: every series is looked at, the best CT is read, the choice is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from pydicom.dataset import Dataset

from engine.errors import VolumeError
from engine.imaging.volume_files.deidentification import Deidentifier, quiet_pydicom
from engine.imaging.volume_files.dicom_geometry import SlicePlan, plan_slices
from engine.imaging.volume_files.dicom_headers import Frame, frames_of, read_header
from engine.imaging.volume_files.dicom_pixels import build_voxels, check_decoder
from engine.imaging.volume_files.dicom_stacks import (
    Stack,
    describe,
    objection,
    plane_words,
    stacks_of,
)
from engine.imaging.volume_files.hounsfield import tidy_hu
from engine.imaging.volume_files.results import (
    ReadForecast,
    ReadVolume,
    SeriesNote,
    VolumeLimits,
    Watch,
)
from engine.imaging.volume_files.sources import Source
from engine.imaging.volumes import Volume

__all__ = ["read_dicom"]

_ENOUGH = 0.8  # of the longest coverage: below, a thinner series is not worth it
_HEADER_BYTES = 100_000  # a header in memory
_FRAME = (
    "column, row (from 0, as in the DICOM pictures) and slice (from 0, sorted along the normal)"
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A stack with its plan, or the reason why it has none."""

    stack: Stack
    plan: SlicePlan | None
    reason: str

    @property
    def length_mm(self) -> float:
        return 0.0 if self.plan is None else self.plan.step_mm * self.plan.shape[2]


def read_dicom(
    sources: Sequence[Source], *, limits: VolumeLimits, watch: Watch, only_series_of_first: bool
) -> ReadVolume:
    """Read the best CT among DICOM files.

    ``only_series_of_first``: somebody pointed at one file, so that its series counts and the
    others are siblings in the same folder.

    Raises
    ------
    VolumeError
        When no series is a CT that can be read.
    MissingBackendError
        When the chosen one is compressed in a way that no installed library decodes.
    TooLargeError
        When it has more than the limit of voxels.
    """
    quiet_pydicom()
    deidentifier = Deidentifier()
    frames, damaged = _all_frames(sources, deidentifier, only_series_of_first)
    candidates = [_candidate(stack) for stack in stacks_of(frames)]
    chosen, others = _choose(candidates, damaged)
    plan = chosen.plan
    assert plan is not None
    limits.check_voxels(plan.shape)
    for syntax in sorted({frame.syntax for frame in plan.frames}):
        check_decoder(syntax)
    series = _note(chosen, _why(chosen, candidates), is_usable=True)
    rest = tuple(
        _note(other, other.reason or "another series was better", is_usable=not other.reason)
        for other in others
    )
    watch.before_reading(_forecast(plan, sources, series, rest))
    voxels = build_voxels(plan, sources, watch)
    warnings = (
        *plan.notes,
        *_left_out(damaged, chosen, candidates),
        *_burned_in(plan.frames[0]),
        *tidy_hu(voxels, is_declared=True),
    )
    return ReadVolume(
        volume=Volume(voxels=voxels, affine=plan.affine),
        kind="dicom",
        series=series,
        others=rest,
        frame=_FRAME,
        removed=deidentifier.removed,
        warnings=warnings,
        headers=_headers(plan),
    )


def _all_frames(
    sources: Sequence[Source], deidentifier: Deidentifier, only_series_of_first: bool
) -> tuple[list[Frame], int]:
    """Return the frames of all files and the number of files that could not be read."""
    frames: list[Frame] = []
    damaged = 0
    for number, source in enumerate(sources):
        header = read_header(source)
        found = header and frames_of(*header, file=number, deidentifier=deidentifier)
        if found is None:
            damaged += 1
            if number == 0 and only_series_of_first:
                break
        else:
            frames.extend(found)
    if only_series_of_first and frames:
        frames = [frame for frame in frames if frame.series == frames[0].series]
    return frames, damaged


def _candidate(stack: Stack) -> _Candidate:
    reason = objection(stack)
    if reason:
        return _Candidate(stack=stack, plan=None, reason=reason)
    try:
        return _Candidate(stack=stack, plan=plan_slices(stack), reason="")
    except VolumeError as problem:
        return _Candidate(stack=stack, plan=None, reason=str(problem))


def _choose(candidates: list[_Candidate], damaged: int) -> tuple[_Candidate, list[_Candidate]]:
    """Return the best candidate and the others, best first."""
    usable = [candidate for candidate in candidates if candidate.plan is not None]
    if not usable:
        raise VolumeError(_nothing(candidates, damaged))
    longest = max(candidate.length_mm for candidate in usable)

    def rank(candidate: _Candidate) -> tuple[bool, bool, bool, float, float]:
        first = candidate.stack.first
        step = candidate.plan.step_mm if candidate.plan else float("inf")
        return (
            candidate.length_mm < _ENOUGH * longest,
            plane_words(first) != "axial",
            first.flavour[:1] == ("DERIVED",),
            # Thinner than 1 mm gains nothing for vertebrae.
            round(max(step, 1.0), 1),
            -candidate.length_mm,
        )

    usable.sort(key=rank)
    refused = [candidate for candidate in candidates if candidate.plan is None]
    return usable[0], [*usable[1:], *refused]


def _why(chosen: _Candidate, candidates: list[_Candidate]) -> str:
    usable = sum(candidate.plan is not None for candidate in candidates)
    if len(candidates) == 1:
        return "the only series"
    if usable == 1:
        return f"the only one of {len(candidates)} that is a CT scan"
    plan = chosen.plan
    assert plan is not None
    return (
        f"chosen of {usable} CT scans: covers {chosen.length_mm:.0f} mm in slices every "
        f"{plan.step_mm:.3g} mm"
    )


def _nothing(candidates: list[_Candidate], damaged: int) -> str:
    if not candidates:
        told = f"{damaged} damaged files" if damaged else "files without pictures"
        return f"Expected a CT series, but got {told}; send the whole series again."
    best = max(candidates, key=lambda candidate: len(candidate.stack.frames))
    if best.reason.startswith("Expected"):
        return best.reason
    more = f" (and {len(candidates) - 1} others that cannot be used)" if len(candidates) > 1 else ""
    return (
        f"Expected a CT series, but got {describe(best.stack)}{more}: {best.reason}. Send the "
        "original axial CT series with all its slices."
    )


def _note(candidate: _Candidate, reason: str, *, is_usable: bool) -> SeriesNote:
    step = candidate.plan.step_mm if candidate.plan else None
    return SeriesNote(
        description=describe(candidate.stack, step),
        slices=len(candidate.stack.frames),
        reason=reason,
        is_usable=is_usable,
    )


def _left_out(damaged: int, chosen: _Candidate, candidates: list[_Candidate]) -> tuple[str, ...]:
    notes: list[str] = []
    if damaged:
        notes.append(f"{damaged} DICOM files are damaged and were left out.")
    same = [
        len(candidate.stack.frames)
        for candidate in candidates
        if candidate is not chosen and candidate.stack.first.series == chosen.stack.first.series
    ]
    if same:
        notes.append(
            f"{sum(same)} pictures of the chosen series have another size, direction or kind "
            "(such as a scout) and were left out."
        )
    return tuple(notes)


def _burned_in(frame: Frame) -> tuple[str, ...]:
    if str(frame.header.get("BurnedInAnnotation") or "").upper() != "YES":
        return ()
    return ("The header says that text is written into the pictures; it may name the person.",)


def _forecast(
    plan: SlicePlan,
    sources: Sequence[Source],
    series: SeriesNote,
    others: tuple[SeriesNote, ...],
) -> ReadForecast:
    plane = plan.shape[0] * plan.shape[1] * 4
    file = max(sources[frame.file].size for frame in plan.frames)
    return ReadForecast.of(
        plan.shape,
        more_bytes=8 * plane + 3 * file + _HEADER_BYTES * len(plan.frames),
        affine=plan.affine,
        kind="dicom",
        series=series,
        others=others,
    )


def _headers(plan: SlicePlan) -> tuple[Dataset, ...]:
    if not plan.is_even or plan.is_shifted:
        return ()
    return tuple(frame.header for frame in plan.frames)
