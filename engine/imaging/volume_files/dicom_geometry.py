"""Where the slices of a stack lie, and how they become one even grid, or why they cannot.

Slices are ordered by their position along the normal (PS3.3 C.7.6.2.1.1), never by number or name.
All planning needs headers only; positions are LPS mm here, the affine is RAS+.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.errors import VolumeError
from engine.imaging.volume_files.dicom_headers import Frame
from engine.imaging.volume_files.dicom_stacks import Stack

__all__ = ["SlicePlan", "plan_slices"]

_SAME_PLACE_MM = 0.01
_EVEN = 0.1  # of a step: headers round positions
_MAX_GAP_MM = 10.0  # a vertebra is 15 to 30 mm high: what is missing must not hide one
_MAX_MISSING = 0.1  # of all slices
_MAX_TILT_DEG = 45.0
_MIN_SHIFT_PX = 0.5
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SlicePlan:
    """How to build the volume: n frames in order, each at its place on the grid.

    ``depths`` (n,) are the planes k at which the frames lie, fractional where the spacing is
    uneven. ``shifts`` (n, 2) are the places (i, j) of each frame's first pixel. ``shape`` and
    ``affine`` are those of the volume; ``notes`` tell a person what was done.
    """

    frames: tuple[Frame, ...]
    depths: NDArray[np.float64]
    shifts: NDArray[np.float64]
    shape: tuple[int, int, int]
    step_mm: float
    affine: NDArray[np.float64]
    notes: tuple[str, ...]

    @property
    def is_even(self) -> bool:
        """Whether each plane is exactly one frame."""
        return len(self.frames) == self.shape[2]

    @property
    def is_shifted(self) -> bool:
        """Whether frames have to move inside their plane (a tilted gantry)."""
        return bool(self.shifts.any())


def plan_slices(stack: Stack) -> SlicePlan:
    """Order the slices of a usable stack and fit an even grid to them.

    Raises
    ------
    VolumeError
        When too much is missing, the spacing is too uneven, or the header contradicts itself.
    """
    across, down, normal = _directions(stack.first)
    notes: list[str] = []
    if stack.copies:
        notes.append(f"{stack.copies} pictures were sent twice; they count once.")
    frames = _one_phase(stack.frames, normal, notes)
    frames = sorted(frames, key=lambda frame: float(_position(frame) @ normal))
    frames = _without_twins(frames, normal, notes)
    along = np.array([_position(frame) @ normal for frame in frames])
    if len(frames) < 2:
        raise VolumeError(
            "Expected a series of slices, but all of them lie at the same place; send the whole "
            "series."
        )
    step, depths = _even_steps(along, notes)
    spacing_j, spacing_i = stack.first.spacing_mm or (1.0, 1.0)
    origins = np.array([_position(frame) - _position(frames[0]) for frame in frames])
    shifts = np.stack([origins @ across / spacing_i, origins @ down / spacing_j], axis=1)
    shifts, start, sides = _fitted(stack, shifts, along, notes)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1], lps[:3, 2] = across * spacing_i, down * spacing_j, normal * step
    lps[:3, 3] = _position(frames[0]) + lps[:3, :2] @ start
    count = round(float(depths[-1])) + 1
    _tell_contradicting_tilt(stack.first, normal, shifts, notes)
    if step > 5:
        notes.append(f"Slices are {step:.3g} mm apart; small vertebrae may be missed.")
    return SlicePlan(
        frames=tuple(frames),
        depths=depths,
        shifts=shifts,
        shape=(sides[0], sides[1], count),
        step_mm=step,
        affine=_LPS_TO_RAS @ lps,
        notes=tuple(notes),
    )


def _directions(
    frame: Frame,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return unit vectors across, down and normal."""
    assert frame.across is not None
    assert frame.down is not None
    lengths = float(np.linalg.norm(frame.across)), float(np.linalg.norm(frame.down))
    skew = float(frame.across @ frame.down)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(skew)) > 0.01:
        raise VolumeError(
            "Expected directions of length 1 at right angles, but the series states others "
            "(ImageOrientationPatient); its header is damaged. Export it again."
        )
    across = frame.across / lengths[0]
    down = frame.down - across * (across @ frame.down)
    down /= np.linalg.norm(down)
    return across, down, np.cross(across, down)


def _position(frame: Frame) -> NDArray[np.float64]:
    if frame.position is None:
        raise VolumeError("A slice of the series states no position; export the series again.")
    return frame.position


# --- the same place more than once ---------------------------------------------------------------


def _one_phase(
    frames: tuple[Frame, ...], normal: NDArray[np.float64], notes: list[str]
) -> list[Frame]:
    """Of several phases or reconstructions at the same places, keep the first."""
    places = np.sort([float(_position(frame) @ normal) for frame in frames])
    distinct = 1 + int((np.diff(places) > _SAME_PLACE_MM).sum())
    times, rest = divmod(len(frames), distinct)
    if times < 2 or rest:
        return list(frames)
    for part in range(3):  # temporal position, acquisition, kernel
        groups: dict[int | str, list[Frame]] = {}
        for frame in frames:
            groups.setdefault(frame.moment[part], []).append(frame)
        if len(groups) == times and all(len(group) == distinct for group in groups.values()):
            notes.append(
                f"The series holds {times} phases or reconstructions of the same slices; the first "
                "is used."
            )
            return groups[min(groups, key=_in_order)]
    return list(frames)


def _in_order(moment: int | str) -> tuple[int, str]:
    return (moment, "") if isinstance(moment, int) else (0, moment)


def _without_twins(
    frames: list[Frame], normal: NDArray[np.float64], notes: list[str]
) -> list[Frame]:
    """Of several slices at one place keep the one with the lowest number."""
    kept: list[Frame] = []
    for frame in frames:
        if kept and (_position(frame) - _position(kept[-1])) @ normal <= _SAME_PLACE_MM:
            if frame.number < kept[-1].number:
                kept[-1] = frame
        else:
            kept.append(frame)
    twins = len(frames) - len(kept)
    if twins:
        notes.append(f"{twins} slices lie where another one lies; one of each is used.")
    return kept


# --- even steps ----------------------------------------------------------------------------------


def _even_steps(along: NDArray[np.float64], notes: list[str]) -> tuple[float, NDArray[np.float64]]:
    """Return the step in mm and the plane, maybe fractional, of each slice."""
    gaps = np.diff(along)
    mean = float(along[-1] - along[0]) / len(gaps)
    line = along[0] + mean * np.arange(len(along))
    if np.abs(along - line).max() <= _EVEN * mean:
        return mean, np.arange(len(along), dtype=np.float64)
    step = float(np.median(gaps))
    steps = gaps / step
    missing = int(np.round(steps).sum()) - len(gaps)
    is_holes = np.abs(steps - np.round(steps)).max() <= 0.15 and steps.min() > 0.5
    widest = float(gaps.max())
    if widest > max(_MAX_GAP_MM, 1.15 * step) or (
        is_holes and missing > max(1.0, _MAX_MISSING * len(along))
    ):
        raise VolumeError(
            f"Expected slices every {step:.3g} mm, but "
            + (f"{missing} are missing and " if is_holes else "")
            + f"the widest gap is {widest:.3g} mm; export the whole series."
        )
    if is_holes:
        notes.append(
            f"{missing} of {len(along) + missing} slices are missing; they were filled in between "
            "their neighbours."
        )
        depths = np.concatenate([[0.0], np.cumsum(np.round(steps))])
        return float(along[-1] - along[0]) / float(depths[-1]), depths
    notes.append(
        f"Slices are {gaps.min():.3g} to {widest:.3g} mm apart; they were resampled to "
        f"{step:.3g} mm."
    )
    span = float(along[-1] - along[0])
    step = span / max(1, round(span / step))
    return step, (along - along[0]) / step


# --- shifts inside the plane ---------------------------------------------------------------------


def _fitted(
    stack: Stack, shifts: NDArray[np.float64], along: NDArray[np.float64], notes: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, int]]:
    """Return shifts on a grid that holds all slices, where it starts, and its sides (i, j)."""
    sides = (stack.first.columns, stack.first.rows)
    reach = shifts.max(axis=0) - shifts.min(axis=0)
    if reach.max() < _MIN_SHIFT_PX:
        return np.zeros_like(shifts), np.zeros(2), sides
    spacing_j, spacing_i = stack.first.spacing_mm or (1.0, 1.0)
    sideways = float(np.hypot(reach[0] * spacing_i, reach[1] * spacing_j))
    tilt = float(np.degrees(np.arctan2(sideways, along[-1] - along[0])))
    if tilt > _MAX_TILT_DEG or reach[0] > sides[0] or reach[1] > sides[1]:
        raise VolumeError(
            f"Expected slices above each other, but they are shifted by {sideways:.0f} mm "
            f"({tilt:.0f}°) from first to last; export the scan as axial slices."
        )
    start = np.floor(shifts.min(axis=0))
    more = np.ceil(shifts.max(axis=0)) - start
    notes.append(
        f"The slices are shifted sideways by {sideways:.0f} mm over the scan (a gantry tilted by "
        f"{tilt:.0f}°); they were resampled to a straight volume."
    )
    return shifts - start, start, (sides[0] + int(more[0]), sides[1] + int(more[1]))


def _tell_contradicting_tilt(
    frame: Frame, normal: NDArray[np.float64], shifts: NDArray[np.float64], notes: list[str]
) -> None:
    try:
        tilt = abs(float(frame.header.get("GantryDetectorTilt") or 0))
    except (TypeError, ValueError):
        return
    if tilt > 1 and abs(normal[2]) > 0.9999 and not shifts.any():
        notes.append(
            f"The header states a gantry tilt of {tilt:.0f}°, but the slices lie straight above "
            "each other; their positions count."
        )
