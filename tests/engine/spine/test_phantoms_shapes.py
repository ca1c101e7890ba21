"""Shapes of phantoms against analytic answers, and how they are laid on a lattice."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.spine.phantoms import scanner
from engine.spine.phantoms.canvas import Canvas
from engine.spine.phantoms.column import Pose, build_column
from engine.spine.phantoms.shapes import capsule, ellipsoid, plate, smooth_union, subtract
from engine.spine.phantoms.sizes import LABEL_CODES, names_of_spine, size_of
from engine.spine.phantoms.traits import Disease, Posture, Scan, Traits
from engine.spine.phantoms.vertebra import body_distance


def canvas_of(*, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), **more: object) -> Canvas:
    shape = tuple(int(60 / side) for side in spacing)
    return Canvas(shape, spacing_mm=spacing, origin_mm=(-30.0, -30.0, -30.0), **more)  # type: ignore[arg-type]


def volume_of(canvas: Canvas, distance: np.ndarray) -> float:
    return float(canvas.coverage(distance).sum()) * canvas.voxel_ml * 1000


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.5, 1.5, 1.5), (1.0, 1.0, 2.0)])
def test_an_ellipsoid_has_its_volume(spacing: tuple[float, float, float]) -> None:
    """The covered part of all voxels adds up to 4/3·π·a·b·c."""
    canvas = canvas_of(spacing=spacing)
    region = canvas.everything()
    measured = volume_of(canvas, ellipsoid(region.x, region.y, region.z, (12, 15, 20)))
    assert measured == pytest.approx(4 / 3 * math.pi * 12 * 15 * 20, rel=0.01)


def test_a_capsule_has_its_volume() -> None:
    """A rod with round ends holds π·r²·length + 4/3·π·r³."""
    canvas = canvas_of()
    region = canvas.everything()
    rod = capsule(region.x, region.y, region.z, (-10, 0, 0), (10, 0, 0), radius=8.0)
    assert volume_of(canvas, rod) == pytest.approx(
        math.pi * 64 * 20 + 4 / 3 * math.pi * 512, rel=0.01
    )


def test_a_box_has_its_volume() -> None:
    """A box with nearly sharp edges holds 8·a·b·c."""
    canvas = canvas_of()
    region = canvas.everything()
    box = plate(region.x, region.y, region.z, (10, 12, 14), round_mm=0.1)
    assert volume_of(canvas, box) == pytest.approx(8 * 10 * 12 * 14, rel=0.01)


def test_a_hole_takes_its_volume_away() -> None:
    """A ball with a ball cut out of its middle holds the difference."""
    canvas = canvas_of()
    region = canvas.everything()
    large, small = (ellipsoid(region.x, region.y, region.z, (r, r, r)) for r in (20.0, 12.0))
    left = volume_of(canvas, subtract(large, small))
    assert left == pytest.approx(4 / 3 * math.pi * (8000 - 1728), rel=0.01)


def test_a_smooth_union_holds_both_and_no_more_far_away() -> None:
    """Blending only fills the groove: never less than either, equal where they are far apart."""
    one, other = np.float32([-2.0, 1.0, 9.0]), np.float32([3.0, 1.5, -4.0])
    joined = smooth_union(one, other, blend_mm=2.0)
    assert np.all(joined <= np.minimum(one, other))
    assert joined[[0, 2]].tolist() == [-2.0, -4.0]


def test_a_voxel_on_the_surface_gets_the_mixture() -> None:
    """A plane through the middle of voxels gives them half of both CT numbers."""
    canvas = canvas_of()
    region = canvas.everything()
    canvas.paint(region, np.broadcast_to(region.x, region.shape), 1000.0)
    assert canvas.hu[28, 5, 5] == 1000.0
    assert canvas.hu[30, 5, 5] == 0.0  # half of 1000 and −1000
    assert canvas.hu[32, 5, 5] == -1000.0


def test_bone_is_hard_outside_and_softer_inside() -> None:
    """A ball of bone has the shell's CT number near its surface and the inner one within."""
    canvas = canvas_of()
    region = canvas.everything()
    ball = ellipsoid(region.x, region.y, region.z, (20, 20, 20))
    canvas.paint_bone(region, ball, shell_mm=4.0, shell=900.0, inner=150.0)
    assert canvas.hu[30, 30, 30] == pytest.approx(150.0)
    assert canvas.hu[12, 30, 30] == pytest.approx(900.0)  # 18 mm from the middle
    assert canvas.hu[5, 30, 30] == -1000.0


@pytest.mark.parametrize("roll", [0.0, 30.0, -75.0])
def test_patient_and_world_coordinates_agree(roll: float) -> None:
    """A voxel's patient coordinates, turned into the world, are where the lattice has the voxel."""
    canvas = canvas_of(spacing=(2.0, 2.0, 3.0), roll_deg=roll, pivot_mm=(5.0, -7.0, 11.0))
    region = canvas.everything()
    patient = [np.broadcast_to(c, region.shape)[4, 9, 13] for c in (region.x, region.y, region.z)]
    expected = np.array([-30.0, -30.0, -30.0]) + np.array([4, 9, 13]) * (2.0, 2.0, 3.0)
    np.testing.assert_allclose(canvas.to_world(np.array([patient]))[0], expected, atol=1e-4)


def test_a_region_over_the_border_can_be_kept_whole() -> None:
    """A whole region reaches out of the canvas and says which part of it lies inside."""
    canvas = canvas_of()
    region = canvas.region((-40, -5, -5), (-20, 5, 5), whole=True)
    assert region is not None
    assert region.is_cut
    assert float(region.x.min()) < -40
    kept = canvas.region((-40, -5, -5), (-20, 5, 5))
    assert kept is not None
    assert not kept.is_cut
    assert float(kept.x.min()) == -30.0


def test_a_region_beside_the_canvas_is_none() -> None:
    """Nothing to draw is told by None."""
    assert canvas_of().region((200, 0, 0), (220, 10, 10), whole=True) is None


def plain_pose(label: str) -> Pose:
    size = size_of(label)
    return Pose(label=label, centre=np.zeros(3), axes=np.eye(3), size=size, sunken_mm=0.0,
                spurs=(0.0, 1.0, 0.0))  # fmt: skip


@pytest.mark.parametrize("label", ["C4", "T8", "L3"])
def test_a_body_is_as_large_as_its_level(label: str) -> None:
    """Height at the middle and width at the endplates are those of the table, to a millimetre."""
    pose, step = plain_pose(label), 0.25
    line = np.arange(-40, 40, step, dtype=np.float32)
    zero = np.zeros_like(line)
    height = float((body_distance(zero, zero, line, pose) < 0).sum()) * step
    assert height == pytest.approx(pose.middle_height, abs=1.0)
    top = np.full_like(line, pose.middle_height / 2 - 0.3)
    width = float((body_distance(line, zero, top, pose) < 0).sum()) * step
    assert width == pytest.approx(pose.size.width[0], abs=1.0)


def test_a_body_is_narrower_at_its_waist() -> None:
    """Halfway up a lumbar body is a few millimetres narrower than at the endplates."""
    pose = plain_pose("L3")
    line = np.arange(0, 40, 0.25, dtype=np.float32)
    zero = np.zeros_like(line)
    middle = int((body_distance(line, zero, zero, pose) < 0).sum())
    rim = int((body_distance(line, zero, zero - 11.5, pose) < 0).sum())
    assert 4 <= rim - middle <= 16


def test_a_straight_column_stands_on_a_line() -> None:
    """Without curves and wobble in a row, bodies lie above each other within some millimetres."""
    straight = Posture(lordosis=0.0, kyphosis=0.0, neck=0.0)
    column = build_column(np.random.default_rng(1), Traits(posture=straight))
    points = np.array([pose.centre for pose in column.poses])
    assert np.ptp(points[:, 0]) < 20
    assert np.ptp(points[:, 1]) < 40


def test_scoliosis_bends_to_the_side_it_says() -> None:
    """A curve of 25° moves the spine sideways by centimetres, the mirrored one the other way."""

    def lateral(degrees: float) -> np.ndarray:
        posture = Posture(scoliosis_deg=degrees)
        column = build_column(np.random.default_rng(1), Traits(posture=posture))
        x = np.array([pose.centre[0] for pose in column.poses])
        return np.asarray(x - np.linspace(x[0], x[-1], len(x)))

    right, left = lateral(25.0), lateral(-25.0)
    assert np.abs(right).max() > 15
    assert np.corrcoef(right, left)[0, 1] < -0.9


def test_collapsed_bodies_are_lower() -> None:
    """With fractures everywhere the thoracic and lumbar bodies lose height, the neck does not."""

    def heights(chance: float) -> dict[str, float]:
        traits = Traits(disease=Disease(fracture=chance))
        column = build_column(np.random.default_rng(5), traits)
        return {pose.label: min(pose.size.height) / pose.size.width[0] for pose in column.poses}

    whole, collapsed = heights(0.0), heights(1.0)
    trunk = [name for name in whole if name[0] in "TL"]
    assert np.mean([collapsed[n] / whole[n] for n in trunk]) < 0.85
    assert np.mean([collapsed[f"C{n}"] / whole[f"C{n}"] for n in range(3, 8)]) > 0.95


def test_every_level_has_a_size_and_a_code() -> None:
    """All vertebrae of every kind of spine are in both tables, and no code is used twice."""
    names = {
        name
        for thoracic in (11, 12, 13)
        for lumbar in (4, 5, 6)
        for name in names_of_spine(thoracic=thoracic, lumbar=lumbar)
    }
    assert names == set(LABEL_CODES)
    assert len(set(LABEL_CODES.values())) == len(names)
    assert all(size_of(name).width[0] > 0 for name in names)


def test_thin_slices_are_averaged() -> None:
    """Three thin slices become one with their mean."""
    thin = np.arange(12, dtype=np.float32).reshape(1, 2, 6)
    assert scanner.average_slices(thin, 3).tolist() == [[[1.0, 4.0], [7.0, 10.0]]]


@pytest.mark.parametrize("noise", [5.0, 40.0])
def test_noise_is_as_strong_as_said(noise: float) -> None:
    """In a flat volume the standard deviation is the one of the scan."""
    flat = np.zeros((40, 40, 20), np.float32)
    noisy = scanner.add_noise(np.random.default_rng(0), flat, Scan(noise_hu=noise))
    assert float(noisy.std()) == pytest.approx(noise, rel=0.01)


def test_values_stay_in_the_scanners_range() -> None:
    """Metal and air are cut to −1024…3071 HU, in whole numbers."""
    wild = np.array([-5000.0, 12.4, 9000.0], np.float32).reshape(1, 1, 3)
    assert scanner.round_off(wild, Scan()).ravel().tolist() == [-1024.0, 12.0, 3071.0]
