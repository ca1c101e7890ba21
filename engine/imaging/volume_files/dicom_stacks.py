"""Frames to stacks: which pictures belong to one scan, and why a stack is no CT that we can use.

A series may hold scouts, several orientations or several sizes; each becomes a stack of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from engine.imaging.volume_files.dicom_headers import Frame

__all__ = ["Stack", "describe", "objection", "stacks_of"]

_SCOUTS = ("LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM", "SURVIEW")
_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture and its multi-frame kinds
_SAME_TURN = 5e-3  # difference of direction cosines: 0.3°
_MAX_DIRECTIONS = 50
_SAME_SPACING = 1e-3


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Frames of one series, kind, size, orientation and spacing.

    ``copies``: pictures of the series that were sent twice. ``is_mixed``: the rest of a series
    with too many directions.
    """

    frames: tuple[Frame, ...]
    copies: int = 0
    is_mixed: bool = False

    @property
    def first(self) -> Frame:
        """Any frame, for what all share."""
        return self.frames[0]


def stacks_of(frames: Iterable[Frame]) -> list[Stack]:
    """Group frames; the same picture sent twice counts once."""
    piles: defaultdict[tuple[object, ...], list[list[Frame]]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    copies: defaultdict[str, int] = defaultdict(int)
    for frame in frames:
        if (frame.series, frame.uid) in seen:
            copies[frame.series] += 1
            continue
        seen.add((frame.series, frame.uid))
        key = (frame.series, frame.modality, frame.rows, frame.columns, _is_scout(frame))
        _add(piles[key], frame)
    return [
        Stack(
            frames=tuple(pile),
            copies=copies[pile[0].series],
            is_mixed=number + 1 == _MAX_DIRECTIONS,
        )
        for group in piles.values()
        for number, pile in enumerate(group)
    ]


def objection(stack: Stack) -> str:
    """Return why a stack cannot be read as a CT, as the second half of a sentence; '' if it can."""
    frame = stack.first
    header = frame.header
    if frame.modality != "CT":
        return f"it is {_modality_words(frame.modality)}, not a CT"
    if _is_scout(frame):
        return "it is a localizer (scout), not a CT scan"
    if str(header.get("SOPClassUID") or "").startswith(_SECONDARY):
        return "it is a secondary capture (pictures of a CT), which holds no Hounsfield units"
    if frame.samples != 1:
        return "it holds colour pictures, no Hounsfield units"
    if frame.bits <= 8:
        return "it has 8 bits, from which Hounsfield units cannot be restored"
    if frame.unit not in ("", "HU", "US"):
        return "it holds another measure than Hounsfield units (such as iodine or atomic number)"
    if any(other.slope in (None, 0.0) or other.intercept is None for other in stack.frames):
        return (
            "it states no rescale slope and intercept, without which there are no Hounsfield units"
        )
    if frame.position is None or frame.across is None or frame.spacing_mm is None:
        return "its slices state no position, orientation or pixel spacing"
    if stack.is_mixed:
        return "its slices point in too many directions"
    if min(frame.spacing_mm) <= 0:
        return "its pixel spacing is not above 0"
    if len(stack.frames) < 2:
        return "it has only one slice"
    return ""


def describe(stack: Stack, step_mm: float | None = None) -> str:
    """Return a line of technical facts: no free text of the header goes into it."""
    frame = stack.first
    number = frame.header.get("SeriesNumber")
    parts = [
        f"series {number}" if number not in (None, "") else "",
        _modality_words(frame.modality),
        plane_words(frame),
        f"{len(stack.frames)} slices" + (f" every {step_mm:.3g} mm" if step_mm else ""),
        f"{frame.columns}×{frame.rows}",
        "derived" if frame.flavour[:1] == ("DERIVED",) else "",
    ]
    return ", ".join(part for part in parts if part)


def plane_words(frame: Frame) -> str:
    """Return axial, coronal, sagittal or oblique."""
    normal = frame.normal
    if normal is None:
        return ""
    axis = int(np.abs(normal).argmax())
    # Gantries tilt up to 30°.
    if abs(normal[axis]) < 0.8:
        return "oblique"
    return ("sagittal", "coronal", "axial")[axis]


def _add(piles: list[list[Frame]], frame: Frame) -> None:
    for pile in piles:
        if _fits(pile[0], frame):
            pile.append(frame)
            return
    if len(piles) < _MAX_DIRECTIONS:
        piles.append([frame])
    else:  # nobody scans like that; comparing each with each would take for ever
        piles[-1].append(frame)


def _fits(one: Frame, other: Frame) -> bool:
    pairs: Sequence[tuple[object, object, float]] = (
        (one.across, other.across, _SAME_TURN),
        (one.down, other.down, _SAME_TURN),
        (one.spacing_mm, other.spacing_mm, _SAME_SPACING),
    )
    for left, right, tolerance in pairs:
        if (left is None) != (right is None):
            return False
        if left is not None and not np.allclose(left, right, rtol=0, atol=tolerance):  # type: ignore[arg-type]  # arrays, tuples
            return False
    return (one.position is None) == (other.position is None) and one.unit == other.unit


def _is_scout(frame: Frame) -> bool:
    return any(word in part for part in frame.flavour for word in _SCOUTS)


def _modality_words(modality: str) -> str:
    known = {"CT": "CT", "MR": "MR", "PT": "PET", "NM": "NM", "US": "US", "CR": "CR", "DX": "DX"}
    known |= {"SEG": "SEG", "RTSTRUCT": "RTSTRUCT", "SR": "SR", "OT": "OT", "SC": "SC", "XA": "XA"}
    return known.get(modality, "of an unknown kind")
