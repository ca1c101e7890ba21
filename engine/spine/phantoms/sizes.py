"""How large the parts of a human spine are, level by level, and the codes of the label maps.

Knows numbers of the literature and nothing of pictures. Sizes are means of adults in mm, rounded;
single people differ by about a tenth (see :mod:`engine.spine.phantoms.traits`).

Sources:
widths, depths, canal, pedicles and processes of C2–C7: 10.1097/00007632-199108000-00001, of T1–T12:
10.1097/00007632-199108000-00006, of L1–L5: 10.1097/00007632-199203000-00010 (Panjabi et al., the
same twelve spines), and heights of C2–T10; heights of T11–L5 between those and the pooled ones of
18 studies (Bonczar et al., Surg Radiol Anat 2024;47:22), because bones measured dry are lower than
in CTs; thoracic discs: 10.1111/j.1469-7580.2011.01397.x (Kunkel et al.); cervical and lumbar
discs: 10.1097/00007632-198603000-00010 (Gilad and Nissan) and CTs of 302 people (Yadav et al., Int
J Spine Surg 2020;14:175). C1, the dens, T13, L6, heights in front of C2–T10 against behind, and
the reach of processes behind the body are drawn after CTs and not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from engine.errors import RequestError
from engine.spine.vertebrae import VERSE_CODES

__all__ = [
    "LABEL_CODES",
    "SACRUM_CODE",
    "STRUCTURES",
    "LevelSize",
    "names_of_spine",
    "size_of",
]

SACRUM_CODE: Final = 26
"""The whole sacrum in the label map, as in VerSe."""

LABEL_CODES: Final[dict[str, int]] = {name: code for code, name in VERSE_CODES.items()}
"""Vertebra → code in the label map (VerSe): C1–C7 1–7, T1–T12 8–19, L1–L5 20–24, L6 25, T13 28."""

STRUCTURES: Final[dict[str, int]] = {
    "ribs": 1,
    "sacrum": 2,
    "skull": 3,
    "discs": 4,
    "pelvis": 5,
    "shoulders": 6,
    "metal": 7,
}
"""Codes of the map of what helps to name vertebrae. ``skull`` is the skull with the jaw."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSize:
    """Mean sizes of one vertebra, in mm.

    ``width`` and ``depth`` are those of the endplates (top, bottom), ``height`` of the body behind
    and in front, ``canal`` and ``pedicle`` width and depth (height of the pedicle). ``span`` is
    from tip to tip of the transverse processes, ``spine`` how far the tip of the spinous process
    lies behind the body and below its centre, ``disc`` the height of the disc below.
    """

    width: tuple[float, float]
    depth: tuple[float, float]
    height: tuple[float, float]
    canal: tuple[float, float]
    pedicle: tuple[float, float]
    span: float
    spine: tuple[float, float]
    disc: float


# level: width top, bottom | depth top, bottom | height behind, front | canal w, d | pedicle w, h |
#        span | spine back, down | disc below
_TABLE: Final[dict[str, tuple[float, ...]]] = {
    "C1": (46, 46, 11, 11, 11, 11, 28, 24, 8, 9, 76, 36, 0, 1.5),
    "C2": (18, 17.5, 15, 15.6, 21, 20, 24.5, 20, 8, 9, 54, 36, 10, 5),
    "C3": (16.5, 17.5, 15, 15.6, 12.5, 13, 23, 16.5, 5.6, 7.4, 52, 30, 9, 5.3),
    "C4": (17.2, 18, 15.3, 15.9, 12.3, 12.8, 24.5, 17.5, 5.5, 7.4, 53, 31, 10, 5.5),
    "C5": (17.8, 19.4, 15.3, 16.8, 12.2, 12.4, 25, 17.5, 5.7, 7, 56, 33, 12, 5.6),
    "C6": (18.8, 21, 16.4, 17.4, 12, 12.2, 25.8, 18, 6, 7.3, 58, 38, 15, 5.6),
    "C7": (21.8, 23.4, 17.3, 17.2, 13.4, 13.2, 24.5, 16, 6.7, 7.5, 64, 46, 17, 5.4),
    "T1": (24.5, 27.2, 17.8, 19, 14.6, 14.2, 21.8, 16.4, 8.5, 9.6, 75, 46, 18, 4.8),
    "T2": (25, 27, 19.2, 21, 15.6, 15.2, 19.5, 15.7, 8.2, 11.4, 69, 44, 21, 4.5),
    "T3": (24.7, 26, 21.5, 23, 16, 15.4, 18.3, 15.7, 6.8, 11.9, 62, 42, 24, 4.5),
    "T4": (24.5, 26, 23, 24.3, 16.4, 15.6, 17.2, 15.8, 6.3, 12.1, 60, 40, 27, 4.5),
    "T5": (25, 27, 24.3, 25.7, 16.8, 15.9, 17.3, 16, 6, 11.9, 61, 38, 30, 4.6),
    "T6": (26.2, 28.2, 26, 27, 17.5, 16.4, 17.3, 16, 6, 12.2, 61, 37, 33, 4.8),
    "T7": (27.8, 29.1, 27.3, 28.4, 18.2, 17, 17.3, 16.1, 5.9, 12.1, 60, 37, 34, 5),
    "T8": (29.4, 30.6, 28, 29.4, 18.8, 17.7, 17.7, 15.9, 6.7, 12.5, 60, 37, 33, 5.2),
    "T9": (30.7, 32.8, 29.2, 30.8, 19.4, 18.3, 17.9, 15.7, 7.5, 13.9, 59, 38, 29, 5.6),
    "T10": (32, 35.3, 30.4, 31.5, 20.3, 19.2, 18.2, 15.6, 8.4, 14.7, 57, 39, 24, 6),
    "T11": (35, 38.9, 31.7, 32, 22.4, 20.9, 19.4, 16, 8.7, 17, 52, 40, 20, 6.4),
    "T12": (38.8, 41.5, 32.7, 33.3, 24, 22.2, 22, 18, 8.6, 16.7, 48, 42, 17, 7),
    "T13": (40, 42.5, 33.4, 34, 24.8, 23, 22.8, 18.4, 8.7, 16.3, 50, 44, 16, 7.4),
    "L1": (41.2, 43.3, 34.1, 35, 25.9, 24.1, 23.7, 18.8, 8.7, 15.9, 71, 46, 15, 7.8),
    "L2": (42.6, 45.5, 34.6, 35, 26.3, 25.1, 23.8, 18.2, 8.9, 15, 77, 47, 15, 9),
    "L3": (44.1, 47.6, 35.1, 34.9, 26, 26.1, 24.3, 17.6, 10.3, 14.5, 86, 47, 14, 9.9),
    "L4": (46.4, 49, 35.4, 34.3, 25.2, 26.2, 25.4, 18.4, 13.2, 15.3, 81, 45, 13, 10.5),
    "L5": (47.4, 49.4, 34.8, 33.6, 23.6, 26.8, 27, 19.3, 17.2, 17.5, 90, 40, 10, 9.6),
    "L6": (47.8, 49.6, 34.6, 33.2, 23.2, 26.8, 27.6, 19.3, 18, 18, 92, 37, 9, 9),
}


def size_of(label: str) -> LevelSize:
    """Return the mean sizes of a vertebra.

    >>> size_of("L3").canal
    (24.3, 17.6)

    Raises
    ------
    RequestError
        When ``label`` is not a vertebra from C1 to L6.
    """
    if label not in _TABLE:
        raise RequestError(
            f"A level is one of {', '.join(_TABLE)}, but got {label!r}; write it like 'T9'."
        )
    row = _TABLE[label]
    return LevelSize(
        width=(row[0], row[1]),
        depth=(row[2], row[3]),
        height=(row[4], row[5]),
        canal=(row[6], row[7]),
        pedicle=(row[8], row[9]),
        span=row[10],
        spine=(row[11], row[12]),
        disc=row[13],
    )


def names_of_spine(*, thoracic: int = 12, lumbar: int = 5) -> tuple[str, ...]:
    """Return the names of the vertebrae of a spine from C1 down, without the sacrum.

    >>> names_of_spine(lumbar=4)[-5:]
    ('T12', 'L1', 'L2', 'L3', 'L4')

    Raises
    ------
    RequestError
        When ``thoracic`` is not in 11..13 or ``lumbar`` not in 4..6.
    """
    if thoracic not in (11, 12, 13) or lumbar not in (4, 5, 6):
        raise RequestError(
            f"A spine has 11 to 13 thoracic and 4 to 6 lumbar vertebrae, but got {thoracic} and "
            f"{lumbar}."
        )
    counts = {"C": 7, "T": thoracic, "L": lumbar}
    return tuple(f"{part}{n}" for part, count in counts.items() for n in range(1, count + 1))
