"""What is known about spines in general: sizes per level, how they vary, how often counts differ.

Constants only, each with its source. Relative sizes along the spine matter here, not absolute
ones: every scan gets its own scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

__all__ = [
    "BODY_HEIGHT_MM",
    "CENTRE_STEP_MM",
    "ENDPLATE_MM",
    "SACRUM",
    "SKULL",
    "VARIANTS",
    "WHOLE_VOLUME_EXPONENT",
    "Variant",
    "body_volume_ml",
]

SKULL = "skull"
SACRUM = "S1"

# Posterior height of the body, means of 12 adults: Panjabi et al., Spine 16:861 (1991),
# doi:10.1097/00007632-199108000-00001 (C3–C7); 16:888 (1991),
# doi:10.1097/00007632-199108000-00006 (T1–T12); 17:299 (1992),
# doi:10.1097/00007632-199203000-00010 (L1–L5). C3–T1 are raised by a fifth because label maps of
# CT include the uncinate processes and blur thin discs (seen in VerSe's masks). C1 (lateral
# masses), C2 (body with dens) and S1 are our readings of label maps; T13 and L6 repeat neighbours.
BODY_HEIGHT_MM: Mapping[str, float] = {
    "C1": 17.0, "C2": 36.0, "C3": 13.9, "C4": 13.7, "C5": 13.7, "C6": 13.1, "C7": 14.7,
    "T1": 16.0, "T2": 16.2, "T3": 16.2, "T4": 16.4, "T5": 16.8, "T6": 17.4, "T7": 18.2,
    "T8": 18.7, "T9": 19.3, "T10": 20.2, "T11": 21.3, "T12": 22.7, "T13": 23.2,
    "L1": 23.8, "L2": 24.3, "L3": 23.8, "L4": 24.1, "L5": 22.9, "L6": 22.9, "S1": 22.5,
}  # fmt: skip

# From each centre to the next one below: half of both bodies and the disc between. Discs, rounded:
# neck 5 mm; thorax 4.5 mm above to 7 mm below (Kunkel et al., J Anat 219:375 (2011),
# doi:10.1111/j.1469-7580.2011.01397.x: 4.5–7.2 mm); loin 8–11 mm. C1–C3 and L5–S1 are our
# readings of label maps. ``skull`` is the foramen magnum's plane.
CENTRE_STEP_MM: Mapping[str, float] = {
    "skull": 15.0,
    "C1": 16.0, "C2": 22.0, "C3": 16.5, "C4": 16.4, "C5": 16.3, "C6": 17.0, "C7": 18.6,
    "T1": 20.2, "T2": 20.5, "T3": 20.5, "T4": 20.8, "T5": 21.5, "T6": 22.4, "T7": 23.2,
    "T8": 24.0, "T9": 25.2, "T10": 26.8, "T11": 28.6, "T12": 30.6, "T13": 30.9,
    "L1": 32.2, "L2": 33.3, "L3": 33.8, "L4": 33.8, "L5": 32.5, "L6": 32.5,
}  # fmt: skip

# Width and depth of the upper endplate, same three papers; C1, C2, S1 stand for whole objects.
ENDPLATE_MM: Mapping[str, tuple[float, float]] = {
    "C1": (15.0, 15.0), "C2": (16.0, 15.0), "C3": (15.8, 15.0), "C4": (17.2, 15.3),
    "C5": (17.5, 15.2), "C6": (18.5, 16.4), "C7": (21.8, 18.1),
    "T1": (24.5, 18.5), "T2": (24.9, 19.6), "T3": (24.6, 22.7), "T4": (24.5, 23.3),
    "T5": (24.9, 24.3), "T6": (26.2, 26.0), "T7": (27.8, 27.4), "T8": (29.5, 27.9),
    "T9": (30.6, 29.3), "T10": (31.9, 30.5), "T11": (34.9, 31.9), "T12": (39.0, 32.8),
    "T13": (40.0, 33.4), "L1": (41.2, 34.1), "L2": (42.6, 34.6), "L3": (44.1, 35.2),
    "L4": (46.6, 35.5), "L5": (47.3, 34.7), "L6": (47.3, 34.7), "S1": (47.3, 34.7),
}  # fmt: skip

WHOLE_VOLUME_EXPONENT = 0.72
"""Whole vertebrae grow slower than their bodies: arches of the neck are relatively large. Chosen
on VerSe's masks (C3 : L3 is about 1 : 6 whole, 1 : 13 for bodies)."""


def body_volume_ml(label: str) -> float:
    """Volume of the body as an elliptic cylinder, ml.

    >>> round(body_volume_ml("L3"), 1)
    29.0
    """
    width, depth = ENDPLATE_MM[label]
    return BODY_HEIGHT_MM[label] * 0.785 * width * depth / 1000.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way in which a spine may be counted: its levels from the skull to S1, and how common."""

    name: str
    sentence: str
    levels: tuple[str, ...]
    prior: float


def _levels(thoracic: int, lumbar: int) -> tuple[str, ...]:
    neck = tuple(f"C{n}" for n in range(1, 8))
    chest = tuple(f"T{n}" for n in range(1, thoracic + 1))
    loin = tuple(f"L{n}" for n in range(1, lumbar + 1))
    return (SKULL, *neck, *chest, *loin, SACRUM)


# One presacral vertebra more in 18, one fewer in 14 of 418 people: Tins and Balain, Insights
# Imaging 7:199 (2016), doi:10.1007/s13244-016-0468-7. How these split between chest and loin is
# our assumption (two thirds in the loin). One more in the chest and one fewer in the loin, or the
# reverse: 4 and 5 of 748 columns (Bergman, Afifi and Miyauchi, Illustrated Encyclopedia of Human
# Anatomic Variation, part V).
VARIANTS: tuple[Variant, ...] = (
    Variant(name="regular", sentence="12 thoracic and 5 lumbar vertebrae", levels=_levels(12, 5),
            prior=0.911),
    Variant(name="L6", sentence="six lumbar vertebrae (L6)", levels=_levels(12, 6), prior=0.029),
    Variant(name="T13", sentence="thirteen thoracic vertebrae (T13)", levels=_levels(13, 5),
            prior=0.014),
    Variant(name="four lumbar", sentence="four lumbar vertebrae", levels=_levels(12, 4),
            prior=0.022),
    Variant(name="eleven thoracic", sentence="eleven thoracic vertebrae", levels=_levels(11, 5),
            prior=0.012),
    Variant(name="eleven thoracic, six lumbar",
            sentence="eleven thoracic and six lumbar vertebrae", levels=_levels(11, 6),
            prior=0.006),
    Variant(name="thirteen thoracic, four lumbar",
            sentence="thirteen thoracic and four lumbar vertebrae", levels=_levels(13, 4),
            prior=0.006),
)  # fmt: skip
