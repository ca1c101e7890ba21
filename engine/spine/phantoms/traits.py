"""What one imagined patient is like: size, curves, disease, tissues, and how the scanner saw them.

Every trait is a plain number, so that a test can set it; :func:`sample_traits` and
:func:`sample_scan` draw them widely.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np

__all__ = [
    "Arms",
    "Disease",
    "Implants",
    "Posture",
    "Scan",
    "Tissues",
    "Traits",
    "sample_scan",
    "sample_traits",
]

Arms = Literal["up", "down", "none"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Posture:
    """Curves of the spine and how the patient lies.

    ``lordosis``, ``kyphosis`` and ``neck`` scale the mean angles of standing people (0 =
    straight; who lies on the back has about 0.75 of the lordosis, PMC6680033).
    ``scoliosis_deg`` is the tilt at its steepest, ``scoliosis_place`` the level (0 = C1, 1 = the
    last lumbar) of the apex and ``scoliosis_length`` its length in parts of the spine;
    ``twist`` is axial rotation per degree of tilt. ``roll_deg`` turns the whole patient about the
    long axis, ``lean_deg`` sideways.
    """

    lordosis: float = 1.0
    kyphosis: float = 1.0
    neck: float = 1.0
    scoliosis_deg: float = 0.0
    scoliosis_place: float = 0.6
    scoliosis_length: float = 0.4
    twist: float = 0.4
    roll_deg: float = 0.0
    lean_deg: float = 0.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Disease:
    """What is not as in the textbook; numbers are chances or amounts in 0..1.

    ``fracture`` is the chance that a thoracic or lumbar body collapsed, ``osteophytes`` how far
    bone grows over the edges of the discs, ``disc_loss`` how much height discs lost, ``calcified``
    the wall of the aorta, ``fusion`` the chance that neighbours grew together.
    """

    fracture: float = 0.0
    osteophytes: float = 0.2
    disc_loss: float = 0.0
    calcified: float = 0.0
    fusion: float = 0.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tissues:
    """CT numbers in HU, as the scanner shows them before noise.

    ``trabecular`` is the inside of vertebrae: about 60 in osteoporosis, 300 in a young athlete.
    ``cortical`` is the shell, ``shell_mm`` its thickness. ``vessel`` is blood in the aorta: 40
    without contrast, up to 400 with. ``bowel`` is bowel with its content.
    """

    trabecular: float = 150.0
    cortical: float = 750.0
    shell_mm: float = 1.0
    sclerosis: float = 0.4
    disc: float = 80.0
    muscle: float = 50.0
    fat: float = -105.0
    skin: float = 15.0
    lung: float = -850.0
    vessel: float = 45.0
    vein: float = 42.0
    liver: float = 55.0
    spleen: float = 48.0
    kidney: float = 35.0
    bowel: float = 30.0
    water: float = 8.0
    cord: float = 28.0
    brain: float = 35.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Implants:
    """Metal: levels with pedicle screws (and rods between them), cement or a cage below.

    ``hips`` are the sides with an artificial hip: 1 right, -1 left.
    """

    screws: tuple[str, ...] = ()
    cement: tuple[str, ...] = ()
    cages: tuple[str, ...] = ()
    teeth: bool = False
    hips: tuple[int, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """One patient.

    ``scale`` is size against the mean adult (0.8 a small woman, 1.15 a tall man); ``girth`` scales
    the outline of the trunk only. ``fat_mm`` is fat under the skin. ``gas`` is the part of bowel
    loops with gas, ``marbling`` how much fat streaks the muscles. ``ribs_last`` is the length of
    the lowest ribs (0 = none, 1 = as usual).
    """

    scale: float = 1.06
    girth: float = 1.0
    depth_ratio: float = 0.7
    fat_mm: float = 16.0
    gas: float = 0.3
    ribs_last: float = 1.0
    thoracic: int = 12
    lumbar: int = 5
    marbling: float = 0.6
    arms: Arms = "up"
    posture: Posture = field(default_factory=Posture)
    disease: Disease = field(default_factory=Disease)
    tissues: Tissues = field(default_factory=Tissues)
    implants: Implants = field(default_factory=Implants)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """How the scanner saw the patient.

    ``noise_hu`` is the standard deviation of the noise in the volume as it is, ``blur_mm`` the
    standard deviation of the reconstruction kernel, ``sharpening`` how far a bone kernel
    overshoots at edges. ``table`` draws the couch. ``outside_hu`` fills outside of the round field
    of view when ``round_view`` is set (−1024, or −2000 in some scanners' files).
    """

    noise_hu: float = 12.0
    blur_mm: float = 0.6
    sharpening: float = 0.0
    texture_hu: float = 8.0
    table: bool = True
    streaks: float = 1.0
    round_view: bool = False
    outside_hu: float = -1024.0


def sample_traits(rng: np.random.Generator, *, transitional: bool = False) -> Traits:
    """Draw a patient; ``transitional`` allows spines with T13, L6, 11 thoracic or 4 lumbar."""
    size = float(np.clip(rng.normal(1.06, 0.075), 0.84, 1.28))
    girth = float(np.clip(rng.normal(1.0, 0.13), 0.72, 1.5))
    thoracic, lumbar = 12, 5
    if transitional:
        thoracic, lumbar = _TRANSITIONAL[int(rng.integers(len(_TRANSITIONAL)))]
    return Traits(
        scale=size,
        girth=girth,
        depth_ratio=float(np.clip(rng.normal(0.70, 0.05), 0.6, 0.88)),
        fat_mm=float(np.clip(rng.gamma(3.0, 6.0) * girth, 4.0, 60.0)),
        gas=float(rng.uniform(0.05, 0.6)),
        ribs_last=float(np.clip(rng.normal(1.0, 0.25), 0.35, 1.4)),
        thoracic=thoracic,
        lumbar=lumbar,
        marbling=float(rng.beta(1.5, 1.8) * 1.6),
        arms=("up", "up", "down", "none")[int(rng.integers(4))],
        posture=_sample_posture(rng),
        disease=_sample_disease(rng),
        tissues=_sample_tissues(rng),
        implants=_sample_implants(rng, thoracic, lumbar),
    )


_TRANSITIONAL = ((12, 6), (12, 4), (13, 5), (11, 5), (13, 4), (11, 6))


def _sample_posture(rng: np.random.Generator) -> Posture:
    bent = rng.random() < 0.3
    return Posture(
        lordosis=float(np.clip(rng.normal(0.8, 0.27), 0.05, 1.4)),
        kyphosis=float(np.clip(rng.normal(1.0, 0.4), 0.0, 2.2)),
        neck=float(rng.normal(0.8, 0.6)),
        scoliosis_deg=float(rng.normal(0.0, 14.0 if bent else 3.0)),
        scoliosis_place=float(rng.uniform(0.35, 0.9)),
        scoliosis_length=float(rng.uniform(0.25, 0.6)),
        twist=float(rng.uniform(0.1, 0.8)),
        roll_deg=float(rng.normal(0.0, 9.0 if rng.random() < 0.25 else 3.0)),
        lean_deg=float(rng.normal(0.0, 2.5)),
    )


def _sample_disease(rng: np.random.Generator) -> Disease:
    return Disease(
        fracture=float(rng.uniform(0.05, 0.3)) if rng.random() < 0.3 else 0.0,
        osteophytes=float(rng.beta(1.2, 3.0)),
        disc_loss=float(rng.beta(1.2, 4.0)),
        calcified=float(rng.uniform(0.2, 1.0)) if rng.random() < 0.35 else 0.0,
        fusion=float(rng.uniform(0.05, 0.4)) if rng.random() < 0.1 else 0.0,
    )


def _sample_tissues(rng: np.random.Generator) -> Tissues:
    trabecular = float(np.clip(rng.gamma(6.0, 26.0), 30.0, 420.0))
    contrast = rng.random() < 0.55
    vessel = float(rng.uniform(90, 420)) if contrast else float(rng.normal(43, 6))
    portal = contrast and rng.random() < 0.7
    return Tissues(
        trabecular=trabecular,
        cortical=float(np.clip(rng.normal(560, 170) + 1.0 * trabecular, 300, 1500)),
        shell_mm=float(rng.uniform(0.5, 1.6)),
        sclerosis=float(rng.beta(1.5, 2.5)),
        disc=float(rng.normal(82, 16)),
        muscle=float(rng.normal(48, 14)),
        fat=float(rng.normal(-104, 8)),
        skin=float(rng.normal(10, 20)),
        lung=float(rng.normal(-840, 45)),
        vessel=vessel,
        vein=float(rng.uniform(80, 190)) if portal else float(rng.normal(41, 6)),
        liver=float(rng.normal(105, 14)) if portal else float(rng.normal(52, 11)),
        spleen=float(rng.normal(115, 16)) if portal else float(rng.normal(47, 6)),
        kidney=float(rng.uniform(120, 220)) if portal else float(rng.normal(31, 5)),
        bowel=float(rng.uniform(150, 380)) if rng.random() < 0.12 else float(rng.normal(32, 14)),
        water=float(rng.normal(8, 6)),
        cord=float(rng.normal(28, 8)),
        brain=float(rng.normal(36, 4)),
    )


def _sample_implants(rng: np.random.Generator, thoracic: int, lumbar: int) -> Implants:
    back = [*(f"T{n}" for n in range(1, thoracic + 1)), *(f"L{n}" for n in range(1, lumbar + 1))]
    screws: tuple[str, ...] = ()
    cages: tuple[str, ...] = ()
    if rng.random() < 0.12:
        count = int(rng.integers(2, 7))
        first = int(np.clip(len(back) - count - rng.geometric(0.2) + 1, 0, len(back) - count))
        screws = tuple(back[first : first + count])
        cages = screws[:1] if rng.random() < 0.4 else ()
    cement = (back[int(rng.integers(8, len(back)))],) if rng.random() < 0.05 else ()
    hips = ((1,), (-1,), (-1, 1))[int(rng.integers(3))] if rng.random() < 0.08 else ()
    return Implants(
        screws=screws, cement=cement, cages=cages, teeth=bool(rng.random() < 0.3), hips=hips
    )


def sample_scan(rng: np.random.Generator, *, spacing_mm: tuple[float, float, float]) -> Scan:
    """Draw how the scanner saw the patient; large voxels average noise away."""
    voxel = float(np.prod(spacing_mm))
    noise = float(rng.gamma(2.5, 9.0)) * float(np.clip(voxel / 4.0, 0.4, 30.0)) ** -0.3
    sharp = rng.random() < 0.3
    return Scan(
        noise_hu=float(np.clip(noise * (1.8 if sharp else 1.0), 2.0, 90.0)),
        blur_mm=float(rng.uniform(0.2, 0.5) if sharp else rng.uniform(0.45, 1.3)),
        sharpening=float(rng.uniform(0.2, 0.9)) if sharp else 0.0,
        texture_hu=float(rng.uniform(3.0, 14.0)),
        table=bool(rng.random() < 0.85),
        streaks=float(rng.uniform(0.3, 1.5)),
        round_view=bool(rng.random() < 0.15),
        outside_hu=-1024.0 if rng.random() < 0.7 else -2000.0,
    )
