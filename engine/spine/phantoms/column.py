"""Where every vertebra of a patient is and how it is turned: the column as a chain.

The chain is built upwards from the sacrum: each body stands on the disc below, tilted as its level
is on average, changed by the patient's curves and by collapsed bodies. Patient coordinates, in mm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.spine.phantoms.sizes import LevelSize, names_of_spine, size_of
from engine.spine.phantoms.traits import Posture, Traits

__all__ = ["Column", "Pose", "Vector", "build_column"]

Vector = NDArray[np.float64]

# Tilt of each body in degrees, above 0 where its top leans to the front. Drawn so that lordosis
# T12–S1 is about 50° and two thirds of it lie below L4, as in people who stand (PMC6680033; kinds
# of curves: 10.1097/01.brs.0000152379.54450.ee); lying on the back it is 37° on average (same).
_TILT = {
    "C1": 4, "C2": 4, "C3": 6, "C4": 10, "C5": 14, "C6": 19, "C7": 24,
    "T1": 27, "T2": 26, "T3": 23, "T4": 19, "T5": 14, "T6": 9, "T7": 3, "T8": -3, "T9": -8,
    "T10": -12, "T11": -14, "T12": -15, "L1": -14, "L2": -10, "L3": -3, "L4": 8, "L5": 24,
    "S1": 38,
}  # fmt: skip


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """One vertebra in place.

    ``axes`` has the vertebra's right, front and up as columns; ``size`` is this patient's, with
    collapse; ``sunken_mm`` is how far the middle of both endplates sank in, ``spurs`` direction
    (right, front) and length of bone spurs at the rims, ``trabecular`` the CT number inside.
    """

    label: str
    centre: Vector
    axes: Vector
    size: LevelSize
    sunken_mm: float = 1.0
    spurs: tuple[float, float, float] = (0.0, 1.0, 0.0)
    trabecular: float = 150.0
    fractured: bool = False
    fused_below: bool = False

    def at(self, *local: float) -> Vector:
        """Return the patient coordinates of a point of the vertebra's own frame."""
        return np.asarray(self.centre + self.axes @ np.asarray(local, float))

    @property
    def middle_height(self) -> float:
        """Height of the body halfway between front and back, at its rim."""
        return 0.5 * (self.size.height[0] + self.size.height[1])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """All vertebrae from C1 down, and the top of the sacrum (``sacrum``, a pose named S1)."""

    poses: tuple[Pose, ...]
    sacrum: Pose

    def pose(self, label: str) -> Pose:
        """Return one vertebra by its name."""
        return next(pose for pose in self.poses if pose.label == label)

    def height_of(self, label: str) -> float:
        """Return the height of a level's centre above the patient's origin, in mm.

        Levels that this spine does not have stand for their neighbour (T12 for a missing T13).
        """
        names = [pose.label for pose in self.poses]
        if label in names:
            return float(self.pose(label).centre[2])
        last = [name for name in names if name[0] == label[0]][-1]
        return float(self.pose(last).centre[2])

    def line(self) -> tuple[Vector, Vector, Vector]:
        """Return heights (rising), and right and front of the centres there, with the sacrum."""
        tail = [self.sacrum.at(0, y, z) for y, z in ((20, -122), (-4, -95), (-11, -60), (0, -12))]
        points = np.array([*tail, *(pose.centre for pose in self.poses[::-1])])
        rising = np.maximum.accumulate(points[:, 2])
        points[:, 2] = rising + np.arange(len(points)) * 1e-3
        return points[:, 2], points[:, 0], points[:, 1]


def build_column(rng: np.random.Generator, traits: Traits) -> Column:
    """Stand the vertebrae of one patient on each other."""
    names = names_of_spine(thoracic=traits.thoracic, lumbar=traits.lumbar)
    tilts = _tilts(names, traits.posture)
    bends, turns = _bends(names, traits.posture)
    wobble = rng.normal(0.0, 1.0, (len(names), 3)) * (1.2, 0.8, 1.2)
    poses = [_body(rng, name, traits) for name in names]
    sacrum = _sacrum_pose(traits, tilts[-1], bends[-1])
    placed: list[Pose] = []
    below, gap = sacrum, _gap(rng, poses[-1], traits)
    at = sacrum.at(0, 0, 0)
    for index in range(len(names) - 1, -1, -1):
        pose = poses[index]
        axes = _axes(
            tilts[index] + wobble[index, 0],
            bends[index] + wobble[index, 1],
            turns[index] + wobble[index, 2],
        )
        between = axes[:, 2] + below.axes[:, 2]
        at = at + gap * between / np.linalg.norm(between) + axes[:, 2] * pose.middle_height / 2
        pose = replace(pose, centre=at, axes=axes)
        at = at + axes[:, 2] * pose.middle_height / 2
        if pose.label == "C2":
            # the ring of C1 lies around the dens, not on the body of C2
            at = at + axes[:, 2] * 1.5 * traits.scale
        placed.append(pose)
        below = pose
        if index:
            gap = _gap(rng, poses[index - 1], traits)
    return _settled(Column(poses=tuple(placed[::-1]), sacrum=sacrum), traits)


def _tilts(names: tuple[str, ...], posture: Posture) -> list[float]:
    """Tilt per level, the sacrum last."""
    t1, t12 = _TILT["T1"], _TILT["T12"]
    base = t12 * float(np.clip(0.5 * (posture.lordosis + posture.kyphosis), 0.0, 1.6))
    top = base + (t1 - t12) * min(posture.kyphosis, 1.8)
    mean = [_mean_tilt(name, names) for name in (*names, "S1")]
    tilts = []
    for name, tilt in zip((*names, "S1"), mean, strict=True):
        if name[0] in "LS":
            tilts.append(base + (tilt - t12) * posture.lordosis)
        elif name[0] == "T":
            tilts.append(base + (tilt - t12) * min(posture.kyphosis, 1.8))
        else:
            tilts.append(top + (tilt - t1) * posture.neck * (top / t1 if top > 5 else 0.3))
    return tilts


def _mean_tilt(name: str, names: tuple[str, ...]) -> float:
    """Mean tilt of a level; in a spine with other counts, of the same part of the region."""
    region = [one for one in names if one[0] == name[0]]
    if name == "S1" or name[0] == "C":
        return _TILT[name]
    usual = [tilt for level, tilt in _TILT.items() if level[0] == name[0]]
    place = region.index(name) / (len(region) - 1) * (len(usual) - 1)
    return float(np.interp(place, range(len(usual)), usual))


def _bends(names: tuple[str, ...], posture: Posture) -> tuple[list[float], list[float]]:
    """Sideways tilt and axial rotation per level, of a curve with its apex at one place."""
    place = np.linspace(0.0, 1.0, len(names)) - posture.scoliosis_place
    phase = place / posture.scoliosis_length * np.pi
    envelope = np.exp(-0.5 * (place / posture.scoliosis_length) ** 2)
    bends = posture.lean_deg + posture.scoliosis_deg * np.sin(phase) * envelope
    turns = posture.twist * posture.scoliosis_deg * np.cos(phase) * envelope
    return bends.tolist(), turns.tolist()


def _axes(tilt_deg: float, bend_deg: float, turn_deg: float) -> Vector:
    """Right, front and up of a vertebra (columns): tilted to the front, to the right, turned."""
    t, b, r = np.radians([-tilt_deg, bend_deg, turn_deg])
    about_x = np.array([[1, 0, 0], [0, np.cos(t), -np.sin(t)], [0, np.sin(t), np.cos(t)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, float)


def _body(rng: np.random.Generator, name: str, traits: Traits) -> Pose:
    """Draw one vertebra of the patient, not yet in place."""
    mean, disease = size_of(name), traits.disease
    factor = traits.scale * rng.normal(1.0, 0.02)
    wide = traits.scale * rng.normal(1.0, 0.02)
    behind, front = (height * factor for height in mean.height)
    sunken = (0.5 if name[0] in "CT" else 1.1) * traits.scale
    fractured = name[0] in "TL" and rng.random() < disease.fracture
    if fractured:
        loss = rng.uniform(0.2, 0.65)
        kind = rng.integers(3)  # wedge, biconcave, crush
        front *= 1.0 - (loss if kind != 1 else 0.15 * loss)
        behind *= 1.0 - (0.8 * loss if kind == 2 else 0.1 * loss)
        sunken += 0.3 * loss * behind if kind == 1 else 1.0
    reach = disease.osteophytes * traits.scale * rng.uniform(0.2, 1.0)
    spur = 0.28 if rng.random() < 0.5 else 0.12
    size = replace(
        mean,
        width=(mean.width[0] * wide, mean.width[1] * wide),
        depth=(mean.depth[0] * wide, mean.depth[1] * wide),
        height=(behind, front),
        canal=(mean.canal[0] * wide, mean.canal[1] * wide),
        pedicle=(mean.pedicle[0] * wide * rng.normal(1, 0.06), mean.pedicle[1] * factor),
        span=mean.span * wide * rng.normal(1.0, 0.05),
        spine=(mean.spine[0] * wide * rng.normal(1, 0.05), mean.spine[1] * rng.normal(1, 0.1)),
    )
    return Pose(
        label=name,
        centre=np.zeros(3),
        axes=np.eye(3),
        size=size,
        sunken_mm=float(sunken),
        spurs=(float(rng.normal(0, 0.8)), 1.0, float(spur * reach)),
        trabecular=float(
            traits.tissues.trabecular * rng.normal(1.0, 0.06) * (1.35 if fractured else 1.0)
        ),
        fractured=fractured,
        fused_below=bool(name not in ("C1",) and rng.random() < disease.fusion),
    )


def _gap(rng: np.random.Generator, above: Pose, traits: Traits) -> float:
    """Height of the disc below ``above``."""
    loss = traits.disease.disc_loss * rng.uniform(0.0, 0.9)
    return float(above.size.disc * traits.scale * (1.0 - loss) * rng.normal(1.0, 0.08))


def _sacrum_pose(traits: Traits, tilt: float, bend: float) -> Pose:
    """Return the upper endplate of S1 at the origin."""
    return Pose(
        label="S1",
        centre=np.zeros(3),
        axes=_axes(tilt, bend, 0.0),
        size=size_of("L5" if traits.lumbar < 6 else "L6"),
        trabecular=traits.tissues.trabecular * 0.9,
    )


def _settled(column: Column, traits: Traits) -> Column:
    """Move the column so that the trunk part lies where a back does; height 0 is its L3 region."""
    trunk = np.array([p.centre for p in column.poses if p.label[0] == "L" or p.label[1:] > "8"])
    lumbar = [pose.centre for pose in column.poses if pose.label[0] == "L"]
    behind = -0.30 * traits.depth_ratio * 2 * 158.0 * traits.scale * traits.girth
    shift = np.array(
        [-trunk[:, 0].mean(), behind - trunk[:, 1].mean(), -lumbar[len(lumbar) // 2][2]]
    )
    return Column(
        poses=tuple(replace(pose, centre=pose.centre + shift) for pose in column.poses),
        sacrum=replace(column.sacrum, centre=column.sacrum.centre + shift),
    )
