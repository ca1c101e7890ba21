"""Measuring label maps: shapes drawn with a pencil, so that every number is known."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest

from engine.errors import RequestError
from engine.spine.measures import field_of_view, measure_vertebrae

NAMES = {1: "L1", 2: "L2"}
RADIUS, HEIGHT, ARCH_BEHIND = 18.0, 24.0, 34.0
CENTRES = {1: (45.5, 65.5, 62.5), 2: (45.5, 65.5, 28.5)}


def drawn(spacing: float = 1.0, *, arches: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Two upright cylinders (bodies) with a bar behind each, joined by thin pedicles.

    Body: radius 18 mm, height 24 mm. Bar: a box 30 × 12 × 12 mm whose centre lies 34 mm behind
    that of the body; two pedicles of 6 × 6 mm reach from the body into the bar.
    """
    count = np.ceil(np.array([90.0, 100.0, 90.0]) / spacing).astype(int)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    x, y, z = (np.arange(n) * spacing for n in count)
    x, y, z = np.meshgrid(x, y, z, indexing="ij")
    labels = np.zeros(count, dtype=np.uint8)
    for value, (cx, cy, cz) in CENTRES.items():
        body = (np.hypot(x - cx, y - cy) < RADIUS) & (abs(z - cz) < HEIGHT / 2)
        bar = (abs(x - cx) < 15) & (abs(y - cy + ARCH_BEHIND) < 6) & (abs(z - cz) < 6)
        pedicles = (abs(abs(x - cx) - 10) < 3) & (y < cy) & (y > cy - 30) & (abs(z - cz) < 3)
        labels[body | ((bar | pedicles) if arches else False)] = value
    return labels, affine


def test_centre_height_and_volume_of_a_cylinder() -> None:
    """Centre within 0.6 mm, height 24 mm within 1 mm, volume π·18²·24 mm³ = 24.4 ml within 3 %."""
    labels, affine = drawn(arches=False)
    first, second = measure_vertebrae(labels, affine, NAMES)
    assert (first.label, second.label) == ("L1", "L2")
    assert first.centre_mm == pytest.approx(CENTRES[1], abs=0.6)
    assert first.height_mm == pytest.approx(HEIGHT, abs=1.0)
    assert first.volume_ml == pytest.approx(np.pi * RADIUS**2 * HEIGHT / 1000.0, rel=0.03)
    assert first.arch_mm is None
    assert not first.truncated
    assert first.flags == ()


def test_the_centre_is_the_bodys_even_with_an_arch() -> None:
    """Arch and pedicles do not pull the centre back; they are told as a direction, which is −y.

    Its length lies between the body's edge, which counts in part, and the bar.
    """
    first, second = measure_vertebrae(*drawn(), NAMES)
    for vertebra, value in ((first, 1), (second, 2)):
        assert vertebra.centre_mm == pytest.approx(CENTRES[value], abs=1.2)
        assert vertebra.height_mm == pytest.approx(HEIGHT, abs=1.5)
        x, y, z = vertebra.arch_mm
        assert -ARCH_BEHIND - 2.0 < y < -15.0
        assert abs(x) < 2.0
        assert abs(z) < 2.0


def test_bounds_hold_the_whole_object() -> None:
    """The box reaches from the bar's back to the body's front, faces of voxels included."""
    first, _ = measure_vertebrae(*drawn(), NAMES)
    low, high = first.bounds_mm
    cx, cy, cz = CENTRES[1]
    assert low == pytest.approx((cx - RADIUS, cy - ARCH_BEHIND - 6, cz - HEIGHT / 2), abs=1.0)
    assert high == pytest.approx((cx + RADIUS, cy + RADIUS, cz + HEIGHT / 2), abs=1.0)


def test_every_axis_order_and_flip_gives_the_same_millimetres() -> None:
    """All 48 ways of storing the array measure alike."""
    labels, affine = drawn(3.0)
    expected = measure_vertebrae(labels, affine, NAMES)
    image = nib.Nifti1Image(labels, affine)
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            turned = image.as_reoriented(np.array(list(zip(axes, signs, strict=True))))
            found = measure_vertebrae(np.asarray(turned.dataobj), turned.affine, NAMES)
            for vertebra, other in zip(found, expected, strict=True):
                assert vertebra.label == other.label
                assert vertebra.centre_mm == pytest.approx(other.centre_mm, abs=1e-6)
                assert vertebra.bounds_mm[0] == pytest.approx(other.bounds_mm[0], abs=1e-6)
                assert vertebra.height_mm == pytest.approx(other.height_mm, abs=1e-6)
                assert vertebra.volume_ml == pytest.approx(other.volume_ml)


def test_an_oblique_affine_turns_the_millimetres() -> None:
    """A scan tilted by 20° about x gives the tilted centres and the same heights."""
    labels, affine = drawn()
    angle = np.deg2rad(20.0)
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    first, second = measure_vertebrae(labels, tilt @ affine, NAMES)
    assert first.centre_mm == pytest.approx((tilt @ [*CENTRES[1], 1.0])[:3], abs=1.2)
    assert second.height_mm == pytest.approx(HEIGHT, abs=1.5)


def test_fine_voxels_are_thinned_without_a_shift() -> None:
    """At 0.4 mm the shapes are measured on every second voxel, in the same place."""
    labels, affine = drawn(0.4, arches=False)
    first, _ = measure_vertebrae(labels, affine, NAMES)
    assert first.centre_mm == pytest.approx(CENTRES[1], abs=0.6)
    assert first.volume_ml == pytest.approx(24.4, rel=0.03)


def test_an_object_at_the_border_is_truncated_and_kept() -> None:
    """Cutting the volume through the upper body marks that one only."""
    labels, affine = drawn()
    first, second = measure_vertebrae(labels[:, :, :60], affine, NAMES)
    assert (first.truncated, second.truncated) == (True, False)


def test_mean_hu_leaves_the_rim_out() -> None:
    """A dense shell of 2 mm around a body of 150 HU does not raise its mean."""
    labels, affine = drawn(arches=False)
    hu = np.where(labels > 0, 150.0, -50.0).astype(np.float32)
    x, y, _ = np.indices(labels.shape)
    rim = np.hypot(x - CENTRES[1][0], y - CENTRES[1][1]) > RADIUS - 2
    hu[(labels > 0) & rim] = 900.0
    first, _ = measure_vertebrae(labels, affine, NAMES, hu=hu)
    assert first.mean_hu == pytest.approx(150.0)


def test_a_second_piece_is_told_and_crumbs_are_not() -> None:
    """A separate block of a fifth of the object flags it; a few voxels do not."""
    labels, affine = drawn(arches=False)
    labels[2:17, 2:22, 60:80] = 1  # 6 ml beside 24 ml
    labels[80:82, 90:92, 20:22] = 2
    first, second = measure_vertebrae(labels, affine, NAMES)
    assert first.flags == ("two_parts",)
    assert second.flags == ()
    assert second.bounds_mm[1][1] < 90.0


def test_unknown_values_and_specks_are_left_out() -> None:
    """A value without a name and an object of 0.1 ml are no vertebrae."""
    labels, affine = drawn(arches=False)
    labels[labels == 2] = 77
    labels[2:6, 2:7, 2:7] = 2  # 100 mm³
    assert [v.label for v in measure_vertebrae(labels, affine, NAMES)] == ["L1"]


def test_label_maps_of_floats_are_read() -> None:
    """Some tools store labels as float64."""
    labels, affine = drawn(3.0)
    expected = measure_vertebrae(labels, affine, NAMES)
    assert measure_vertebrae(labels.astype(np.float64), affine, NAMES) == expected


def test_an_object_of_nothing_but_crumbs_is_no_vertebra() -> None:
    """A label that is strewn about in hundreds of single voxels is left out."""
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[::4, ::4, ::4] = 24
    assert measure_vertebrae(labels, np.diag([2.0, 2, 2, 1]), NAMES) == ()


def test_an_empty_map_has_no_vertebrae() -> None:
    """Nothing labelled, nothing measured."""
    assert measure_vertebrae(np.zeros((4, 4, 4), np.uint8), np.eye(4), NAMES) == ()


def test_field_of_view_of_a_flipped_axis() -> None:
    """Ten voxels of 2 mm along −x reach from −19 to 1 mm."""
    affine = np.diag([-2.0, 1.0, 1.0, 1.0])
    low, high = field_of_view((10, 4, 4), affine)
    assert (low[0], high[0]) == (-19.0, 1.0)


def test_a_flat_map_is_refused() -> None:
    """A label map has three axes."""
    with pytest.raises(RequestError, match="has three axes, but this one has 2"):
        measure_vertebrae(np.zeros((4, 4), np.uint8), np.eye(4), NAMES)


def test_a_ct_on_another_grid_is_refused() -> None:
    """CT numbers can only be read voxel by voxel."""
    with pytest.raises(RequestError, match="have to share a grid"):
        measure_vertebrae(
            np.zeros((4, 4, 4), np.uint8), np.eye(4), NAMES, hu=np.zeros((4, 4, 5), np.float32)
        )


def test_a_singular_affine_is_refused() -> None:
    """An affine that flattens space cannot place anything."""
    with pytest.raises(RequestError, match="invertible 4×4 matrix"):
        measure_vertebrae(np.zeros((4, 4, 4), np.uint8), np.diag([1.0, 1, 0, 1]), NAMES)
