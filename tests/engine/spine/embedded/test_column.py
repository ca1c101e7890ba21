"""The row of bodies: found on perfect and on mediocre maps, without anything that is no body."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import RequestError
from engine.spine.embedded.column import Body, _thinned, find_column
from engine.spine.embedded.maps import SpineMaps
from engine.spine.embedded.peaks import Peaks, column_evidence, disc_share, find_peaks
from engine.spine.phantoms import SpinePhantom
from tests.engine.spine.embedded.drawn_maps import (
    drawn,
    maps_of,
    mediocre,
    with_hill,
    without_hill,
)


@pytest.fixture(scope="module")
def trunk() -> SpinePhantom:
    """A view from T6 to the sacrum, 4 mm voxels."""
    return drawn(11, levels=("T6", "L5"), margins_mm=(60.0, 5.0), fov_mm=(320.0, 260.0))


def compared(bodies: tuple[Body, ...], phantom: SpinePhantom) -> tuple[list[str], list[Body]]:
    """Return vertebrae that were missed and bodies that are none (15 mm)."""
    truth = [one for one in phantom.vertebrae if one.centre_in_view]
    found = np.array([body.centre_mm for body in bodies]).reshape(-1, 3)
    places = np.array([one.centre_mm for one in truth]).reshape(-1, 3)
    apart = np.linalg.norm(found[:, None] - places[None], axis=2)
    missed = [one.label for one, row in zip(truth, apart.T, strict=True) if not (row < 15).any()]
    return missed, [body for body, row in zip(bodies, apart, strict=True) if not (row < 15).any()]


@pytest.mark.parametrize("seed", [0, 2, 3, 5, 7, 8, 14, 26])
def test_every_body_is_found_on_perfect_maps(seed: int) -> None:
    """On maps drawn from the truth of any view, all bodies are found and nothing else."""
    phantom = drawn(seed)
    bodies = find_column(maps_of(phantom))
    assert compared(bodies, phantom) == ([], [])
    assert all(body.skipped == 0 for body in bodies)


def test_centres_are_exact_on_perfect_maps(trunk: SpinePhantom) -> None:
    """A hill of known width is placed to half a millimetre on voxels of 4 mm."""
    truth = {one.label: one.centre_mm for one in trunk.vertebrae if one.centre_in_view}
    found = np.array([body.centre_mm for body in find_column(maps_of(trunk))])
    assert np.abs(found - np.array(list(truth.values()))).max() < 0.5


def test_mediocre_maps_lose_little() -> None:
    """With noise, missing and false hills and confused classes 95 % are found, 1 in 50 is false."""
    missed = false = total = 0
    for seed in (2, 5, 17, 26, 30):
        phantom = drawn(seed)
        maps = mediocre(maps_of(phantom), phantom, seed, amount=0.6)
        bodies = find_column(maps)
        lost, wrong = compared(bodies, phantom)
        missed, false = missed + len(lost), false + len(wrong)
        total += sum(one.centre_in_view for one in phantom.vertebrae)
    assert missed <= 0.05 * total
    assert false <= 0.02 * total


@pytest.mark.parametrize("height", [0.0, 0.05, 0.15])
def test_a_body_without_a_hill_is_looked_for_again(trunk: SpinePhantom, height: float) -> None:
    """Where one hill in the row is flat, the body is found from the voxels around it."""
    lost = next(one for one in trunk.vertebrae if one.label == "T10")
    maps = without_hill(maps_of(trunk), lost.centre_mm, height)
    bodies = find_column(maps)
    assert compared(bodies, trunk) == ([], [])
    nearest = min(
        bodies, key=lambda body: np.linalg.norm(np.subtract(body.centre_mm, lost.centre_mm))
    )
    assert nearest.heat < 0.3


def test_an_atlas_whose_hill_melts_into_the_axis_is_found() -> None:
    """Above C2 the heat only falls, with no top of its own; the atlas is put one step above."""
    neck = drawn(4, levels=("C1", "T2"), margins_mm=(8.0, 60.0), fov_mm=(200.0, 200.0))
    axis = next(one for one in neck.vertebrae if one.label == "C2")
    maps = maps_of(neck)
    places = maps.world(np.argwhere(np.ones(maps.shape)))
    far = np.linalg.norm(places - axis.centre_mm, axis=1).reshape(maps.shape)
    above = (places[:, 2] > axis.centre_mm[2]).reshape(maps.shape)
    melted = np.where(above, 0.95 * np.exp(-0.5 * (far / 16.0) ** 2), maps.heat)
    bodies = find_column(replace(maps, heat=melted.astype(np.float32)))
    assert compared(bodies, neck) == ([], [])
    assert bodies[0].heat < 0.7


def test_nothing_is_put_above_a_neck_that_is_complete() -> None:
    """The skull's base over a found atlas is no further body."""
    neck = drawn(4, levels=("C1", "T2"), margins_mm=(8.0, 60.0), fov_mm=(200.0, 200.0))
    first = next(one for one in neck.vertebrae if one.label == "C1")
    bodies = find_column(maps_of(neck))
    assert np.linalg.norm(np.subtract(bodies[0].centre_mm, first.centre_mm)) < 2


def test_a_shadow_between_two_bodies_is_left_out(trunk: SpinePhantom) -> None:
    """A second top in the disc below T9, as thick slices make it, is no vertebra."""
    places = np.array([one.centre_mm for one in trunk.vertebrae])
    at = [one.label for one in trunk.vertebrae].index("T9")
    with_shadow = np.insert(places, at + 1, places[at : at + 2].mean(axis=0), axis=0)
    even = np.full(len(with_shadow), 0.7)
    row = Peaks(points_mm=with_shadow, heat=even, evidence=even)
    thinned, skipped = _thinned(maps_of(trunk), row, np.zeros(len(row), int))
    assert thinned.points_mm.tolist() == places.tolist()
    assert len(skipped) == len(places)


def test_a_row_without_shadows_stays_as_it_is(trunk: SpinePhantom) -> None:
    """Bodies at their own distances are all kept, also those of a patient of half the size."""
    places = np.array([one.centre_mm for one in trunk.vertebrae])
    for size in (1.0, 0.5):
        even = np.full(len(places), 0.7)
        row = Peaks(points_mm=places[0] + size * (places - places[0]), heat=even, evidence=even)
        thinned, _ = _thinned(maps_of(trunk), row, np.zeros(len(row), int))
        assert len(thinned) == len(places)


def test_a_body_that_is_really_missing_leaves_a_step(trunk: SpinePhantom) -> None:
    """Where neither hill nor body voxels are, the row goes on and says that a level is skipped."""
    lost = next(one for one in trunk.vertebrae if one.label == "T10")
    maps = without_hill(maps_of(trunk), lost.centre_mm)
    near = (
        np.linalg.norm(maps.world(np.argwhere(np.ones(maps.shape))) - lost.centre_mm, axis=1) < 24
    )
    classes = maps.classes.copy()
    classes[:, near.reshape(maps.shape)] = 0.0
    classes[0, near.reshape(maps.shape)] = 1.0
    bodies = find_column(replace(maps, classes=classes))
    assert [body.skipped for body in bodies if body.skipped] == [1]
    assert compared(bodies, trunk)[0] == ["T10"]


@pytest.mark.parametrize(
    "beside_mm", [(90, 20, -20), (-60, 60, -150), (0, -110, 0), (45, -40, -60), (0, 20, -55)]
)
def test_hills_beside_the_spine_do_not_get_in(
    trunk: SpinePhantom, beside_mm: tuple[float, float, float]
) -> None:
    """A high hill on a rib, a hip, the table or the sacrum is no body."""
    last = next(one for one in trunk.vertebrae if one.label == "L5")
    maps = with_hill(maps_of(trunk), np.add(last.centre_mm, beside_mm), 0.7)
    assert compared(find_column(maps), trunk) == ([], [])


def test_a_cut_body_is_kept_and_marked() -> None:
    """A body of which two thirds are in view stays, with its share in view; a third does not."""
    phantom = drawn(4, levels=("L1", "L4"), margins_mm=(-10.0, -18.0), fov_mm=(240.0, 240.0))
    bodies = find_column(maps_of(phantom))
    shares = {one.label: one.body_in_view for one in phantom.vertebrae if one.centre_in_view}
    assert len(bodies) == len(shares)
    assert bodies[-1].in_view < 0.9
    assert bodies[-1].in_view == pytest.approx(shares["L4"], abs=0.2)
    assert bodies[1].in_view == 1.0


def test_a_lonely_body_is_found(trunk: SpinePhantom) -> None:
    """One whole vertebra in view is enough."""
    phantom = drawn(9, levels=("L3",), margins_mm=(6.0, 6.0), fov_mm=(160.0, 160.0))
    bodies = find_column(maps_of(phantom))
    assert compared(bodies, phantom) == ([], [])


def test_nothing_gives_nothing(trunk: SpinePhantom) -> None:
    """Without hills there is no row."""
    maps = maps_of(trunk)
    assert find_column(replace(maps, heat=np.zeros_like(maps.heat))) == ()


def test_noise_alone_gives_nothing() -> None:
    """Faint hills anywhere without any spine around them are no row."""
    rng = np.random.default_rng(0)
    maps = maps_of(drawn(7))
    background = np.zeros_like(maps.classes)
    background[0] = 1.0
    noise = rng.uniform(0, 0.3, maps.shape).astype(np.float32)
    assert find_column(replace(maps, heat=noise, classes=background)) == ()


def test_maps_of_two_grids_are_refused(trunk: SpinePhantom) -> None:
    """Maps that do not share one grid are refused with both shapes."""
    maps = maps_of(trunk)
    with pytest.raises(RequestError, match="Expected level of shape"):
        replace(maps, level=maps.level[1:])


def test_a_class_that_the_network_lacks_is_never_seen(trunk: SpinePhantom) -> None:
    """Asking for a class of another network gives zeros."""
    assert maps_of(trunk).of("tail").max() == 0.0


def test_room_to_the_border_is_measured_in_the_image(trunk: SpinePhantom) -> None:
    """From the middle of the image it is half its size to each side."""
    maps = maps_of(trunk)
    sides = np.array(maps.shape) * maps.spacing_mm
    middle = maps.world([(np.array(maps.shape) - 1) / 2])[0]
    assert maps.room_mm(middle, np.array([0.0, 0.0, 1.0])) == pytest.approx(sides[2] / 2)
    assert maps.depth_mm([middle]) == pytest.approx(sides.min() / 2)
    assert maps.depth_mm([np.add(middle, (sides[0], 0, 0))])[0] < 0


def test_peaks_at_the_border_are_corrected(trunk: SpinePhantom) -> None:
    """A hill cut by the border is placed from the slope of its inner side."""
    maps: SpineMaps = maps_of(trunk)
    top = trunk.vertebrae[-1]
    cut = maps.index([top.centre_mm])[0]
    first = int(np.floor(cut[2])) + 1
    part = SpineMaps(
        heat=maps.heat[:, :, first:],
        classes=maps.classes[:, :, :, first:],
        region=maps.region[:, :, :, first:],
        level=maps.level[:, :, first:],
        affine=maps.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, first], [0, 0, 0, 1]]),
        image_shape=(maps.shape[0], maps.shape[1], maps.shape[2] - first),
        image_affine=maps.affine,
    )
    peaks = find_peaks(part, column_evidence(part), disc_share(part))
    apart = np.linalg.norm(peaks.points_mm - np.array(top.centre_mm), axis=1)
    assert apart.min() < 3.0
