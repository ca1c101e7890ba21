"""What every form of dataset is read into and written from: pictures with their labels.

Knows files of an upload only as names with a way to read them; coordinates are pixels of the
picture, x to the right and y down, with (0, 0) the outer corner of the first pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Area",
    "Box",
    "Entry",
    "FileOutcome",
    "Labels",
    "MaskFile",
    "ObjectMasks",
    "PictureFile",
    "Polygon",
    "Reader",
    "Shapes",
    "Split",
]

Reader = Callable[[], bytes]
"""Gives all bytes of a file; may be called more than once."""

Split = Literal["", "train", "validation", "test"]
"""The part of a dataset that its form assigns a picture to; empty: none."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFile:
    """A picture's file: its path inside the upload, its size, and how to read it.

    ``removed`` are names of fields about people and places that reading leaves behind.
    """

    name: str
    read: Reader
    size_bytes: int = 0
    removed: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFile:
    """A file whose samples are labels; ``names`` tells classes by value where the form has them.

    A form's own statement (nnU-Net's ``dataset.json``) is not a guess, so it needs no
    confirmation.
    """

    name: str
    read: Reader
    names: Mapping[int, str] = field(default_factory=dict, hash=False)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMasks:
    """One file per object, to be laid over each other; later ones win where two overlap.

    ``class_names`` names the class of each file.
    """

    files: tuple[MaskFile, ...]
    class_names: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Polygon:
    """An outline ``(N, 2)`` of x, y, with holes of the same form."""

    class_name: str
    exterior: NDArray[np.float64]
    holes: tuple[NDArray[np.float64], ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An upright box around an object: left, top, width and height in pixels."""

    class_name: str
    x: float
    y: float
    width: float
    height: float


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Area:
    """The pixels ``(H, W) bool`` of one object, as from a run-length code."""

    class_name: str
    pixels: NDArray[np.bool_]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Drawn labels in the form's order; ``classes`` are all that the form names, in its order."""

    shapes: tuple[Polygon | Box | Area, ...] = ()
    classes: tuple[str, ...] = ()


Labels = MaskFile | ObjectMasks | Shapes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One picture of a dataset with what is known about it.

    ``name`` has no folder and no ending; ``group`` is what must not be split (a patient, a slide).
    ``notes`` are sentences about what was put right while the form was read. ``labels`` is
    ``None`` for a picture that nobody marked.
    """

    name: str
    image: PictureFile
    labels: Labels | None = None
    group: str = ""
    split: Split = ""
    pixel_size_um: float | None = None
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """What became of one file of an upload, in words.

    ``accepted``: taken as it is. ``repaired``: taken after what ``sentences`` tell. ``refused``:
    not taken, and why. ``left_out``: no part of the dataset (a text, a folder's clutter).
    """

    name: str
    outcome: Literal["accepted", "repaired", "refused", "left_out"]
    sentences: tuple[str, ...] = ()
