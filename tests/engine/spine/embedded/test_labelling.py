"""The label map: each vertebra's voxels under its code, on the CT's own grid."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.imaging.volumes import Volume
from engine.spine.embedded.labelling import label_map, vertebrae_on_grid
from engine.spine.embedded.maps import SpineMaps
from engine.spine.embedded.segmenter import Found, find_vertebrae
from engine.spine.embedded.targets import CLASSES
from engine.spine.measures import measure_vertebrae
from engine.spine.phantoms import LABEL_CODES, SpinePhantom, spine_phantom
from engine.spine.phantoms.sizes import SACRUM_CODE
from engine.spine.vertebrae import VERSE_CODES
from tests.engine.spine.embedded.drawn_maps import DrawnNetwork

VIEW = {"levels": ("T9", "L5"), "margins_mm": (40.0, 8.0), "fov_mm": (200.0, 200.0)}


@pytest.fixture(scope="module")
def fine() -> SpinePhantom:
    """T9 to the sacrum at 1.5 mm."""
    return spine_phantom(np.random.default_rng(21), spacing_mm=1.5, **VIEW)


@pytest.fixture(scope="module")
def maps(fine: SpinePhantom) -> SpineMaps:
    """The perfect maps of the same patient at 4 mm."""
    from engine.spine.embedded.reading import read_maps

    network = DrawnNetwork(fine)
    return read_maps(network.coarse, network)


@pytest.fixture(scope="module")
def found(maps: SpineMaps) -> Found:
    """Named bodies."""
    return find_vertebrae(maps)


@pytest.fixture(scope="module")
def labels(maps: SpineMaps, found: Found, fine: SpinePhantom) -> NDArray[np.uint8]:
    """The label map on the fine grid."""
    return label_map(maps, found.bodies, found.names, fine.volume)


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return Dice's coefficient."""
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_each_vertebra_lies_where_it_was_drawn(
    labels: NDArray[np.uint8], fine: SpinePhantom
) -> None:
    """From maps of 4 mm, whole vertebrae overlap the drawn ones of 1.5 mm by Dice 0.75 and more."""
    whole = [one for one in fine.vertebrae if one.body_in_view == 1.0 and one.in_view > 0.95]
    shares = {one.label: dice(labels == one.code, fine.labels == one.code) for one in whole}
    assert len(shares) >= 8
    assert min(shares.values()) > 0.75
    assert np.mean(list(shares.values())) > 0.82


def test_volumes_are_kept(labels: NDArray[np.uint8], fine: SpinePhantom) -> None:
    """The volume of each whole vertebra is the drawn one's within 15 %."""
    for one in fine.vertebrae:
        if one.in_view == 1.0:
            ratio = (labels == one.code).sum() / (fine.labels == one.code).sum()
            assert ratio == pytest.approx(1.0, abs=0.15), one.label


def test_measured_centres_are_those_of_the_bodies(
    labels: NDArray[np.uint8], fine: SpinePhantom
) -> None:
    """Measuring the label map finds the bodies' centres, arches at hand, within 7 mm."""
    measured = {
        one.label: one for one in measure_vertebrae(labels, fine.volume.affine, VERSE_CODES)
    }
    for one in fine.vertebrae:
        if one.body_in_view == 1.0:
            away = np.subtract(measured[one.label].centre_mm, one.centre_mm)
            assert np.linalg.norm(away) < 7.0, one.label


def test_the_sacrum_has_its_code(labels: NDArray[np.uint8], fine: SpinePhantom) -> None:
    """The sacrum is labelled 26."""
    assert dice(labels == SACRUM_CODE, fine.sacrum) > 0.7


def test_borders_are_no_staircase(labels: NDArray[np.uint8]) -> None:
    """Neighbouring slices differ: the 4 mm grid does not show through on 1.5 mm voxels."""
    code = LABEL_CODES["L3"]
    inside = np.flatnonzero((labels == code).any(axis=(0, 1)))
    sums = [(labels[:, :, k] != labels[:, :, k + 1]).sum() for k in inside[2:-2]]
    assert min(sums) > 0


def test_codes_are_those_of_found_vertebrae_only(labels: NDArray[np.uint8], found: Found) -> None:
    """No other value occurs."""
    known = {0, SACRUM_CODE, *(LABEL_CODES[name] for name in found.names)}
    assert set(np.unique(labels).tolist()) <= known


def test_each_vertebra_is_one_piece_on_the_grid(maps: SpineMaps, found: Found) -> None:
    """Most grid points of a vertebra hang together."""
    from scipy import ndimage

    owner = vertebrae_on_grid(maps, found.bodies, found.names)
    for i in range(len(found.bodies)):
        parts, count = ndimage.label(owner == i, structure=np.ones((3, 3, 3)))
        sizes = np.bincount(parts.ravel())[1:]
        assert count >= 1
        assert sizes.max() > 0.95 * sizes.sum()


def test_an_oblique_grid_gets_the_same_labels(
    maps: SpineMaps, found: Found, labels: NDArray[np.uint8], fine: SpinePhantom
) -> None:
    """On voxels that stand at an angle to the maps, vertebrae lie at the same place."""
    angle = np.deg2rad(8.0)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    middle = fine.volume.world([(np.array(fine.volume.shape) - 1) / 2])[0]
    turn[:3, 3] = middle - turn[:3, :3] @ middle
    flat = np.full(fine.volume.shape, 60.0, np.float32)
    oblique = Volume(voxels=flat, affine=turn @ fine.volume.affine)
    turned = label_map(maps, found.bodies, found.names, oblique)
    for name in ("T12", "L2", "L4"):
        code = LABEL_CODES[name]
        here = oblique.world([np.argwhere(turned == code).mean(axis=0)])[0]
        there = fine.volume.world([np.argwhere(labels == code).mean(axis=0)])[0]
        assert np.linalg.norm(here - there) < 2.5


def test_without_bodies_in_the_maps_nothing_is_labelled(
    maps: SpineMaps, found: Found, fine: SpinePhantom
) -> None:
    """Maps that are all background give an empty label map."""
    from dataclasses import replace

    background = np.zeros_like(maps.classes)
    background[0] = 1.0
    empty = replace(maps, classes=background)
    assert not label_map(empty, found.bodies, found.names, fine.volume).any()


def test_a_sacrum_that_fades_out_widely_is_labelled(
    maps: SpineMaps, found: Found, fine: SpinePhantom, labels: NDArray[np.uint8]
) -> None:
    """Faint sacrum around the real one, farther than anything else reaches, changes little."""
    from dataclasses import replace

    classes = maps.classes.copy()
    classes[CLASSES.index("sacrum")] = np.maximum(classes[CLASSES.index("sacrum")], 0.2)
    faint = label_map(replace(maps, classes=classes), found.bodies, found.names, fine.volume)
    assert faint.shape == labels.shape
    assert dice(faint == SACRUM_CODE, labels == SACRUM_CODE) > 0.8
