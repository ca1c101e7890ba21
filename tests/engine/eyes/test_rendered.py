"""Rendered eyes: the picture shows what the record says."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.errors import InputError
from engine.eyes.rendered import render_eye
from engine.eyes.rendered.drawing import describe, draw_scene
from engine.eyes.rendered.geometry import Placement, lid_curves, sample_placement
from engine.eyes.rendered.traits import Lids, sample_traits
from engine.eyes.rendered.truth import CONDITIONS, IRIS, PUPIL, SCLERA, Condition, RenderedEye

SIZE = (96, 108)


def rendered(seed: int, condition: Condition, framing: str = "region") -> RenderedEye:
    rng = np.random.default_rng(seed)
    return render_eye(rng, condition=condition, size=SIZE, framing=framing)  # type: ignore[arg-type]


def scene(
    seed: int, condition: Condition, *, reflections: bool = True
) -> tuple[np.ndarray, RenderedEye]:
    """An eye before any camera: colours are the drawn ones."""
    rng = np.random.default_rng(seed)
    traits = sample_traits(rng, condition=condition)
    if not reflections:
        traits = replace(traits, reflections=0, mirror=0.0)
    placement = sample_placement(rng, framing="canonical", size=SIZE)
    planes, labels = draw_scene(rng, traits, placement)
    picture = np.clip(planes.transpose(1, 2, 0) * 255, 0, 255).astype(np.uint8)
    return picture, describe(picture, labels, traits, placement)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("framing", ["half_face", "region", "close_up", "iris", "canonical"])
def test_every_condition_in_every_framing(condition: Condition, framing: str) -> None:
    """The record has a picture of the asked size, labels 0..3 and the asked condition."""
    eye = rendered(3, condition, framing)
    assert eye.picture.shape == (*SIZE, 3)
    assert eye.picture.dtype == np.uint8
    assert eye.labels.shape == SIZE
    assert set(np.unique(eye.labels)) <= {0, 1, 2, 3}
    assert eye.condition == condition


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_seed_is_a_picture(condition: Condition) -> None:
    """The same generator state gives the same picture and truth; another one a different one."""
    first, again, other = (rendered(seed, condition) for seed in (11, 11, 12))
    assert np.array_equal(first.picture, again.picture)
    assert np.array_equal(first.labels, again.labels)
    assert first.corners == again.corners
    assert not np.array_equal(first.picture, other.picture)


def test_corners_lie_at_the_ends_of_the_opening() -> None:
    """For eyes wholly inside the picture, the labelled opening reaches from corner to corner."""
    checked = 0
    for seed in range(20):
        _, eye = scene(seed, "Healthy")
        if not eye.corners_inside or eye.opening is None:
            continue
        checked += 1
        (x0, _), (x1, _) = eye.corners
        assert x0 < x1
        slack = 0.08 * eye.eye_width_px + 1
        assert abs(eye.opening.x - x0) < slack
        assert abs(eye.opening.x + eye.opening.width - x1) < slack
    assert checked >= 15


def test_openness_is_the_height_of_the_opening() -> None:
    """The truth's openness equals the labelled opening's height over the corners' distance."""
    for seed in range(20):
        _, eye = scene(seed, "Healthy")
        if not eye.corners_inside:
            continue
        (x0, y0), (x1, y1) = eye.corners
        turn = cv2.getRotationMatrix2D((x0, y0), np.degrees(np.arctan2(y1 - y0, x1 - x0)), 1.0)
        level = cv2.warpAffine((eye.labels > 0).astype(np.uint8), turn, (300, 300))
        tallest = level.sum(axis=0).max()
        assert tallest / eye.eye_width_px == pytest.approx(eye.openness, abs=0.06)


def test_iris_circle_covers_the_iris_pixels() -> None:
    """Pixels labelled iris or pupil lie within the stated circle, up to the drawing's stretch."""
    for seed in range(12):
        eye = rendered(seed, "Healthy", "canonical")
        rows, columns = np.nonzero(eye.labels >= IRIS)
        away = np.hypot(columns + 0.5 - eye.iris_centre[0], rows + 0.5 - eye.iris_centre[1])
        assert away.size
        assert away.max() <= 1.35 * eye.iris_radius + 1.5


def test_healthy_pupils_are_darker_than_the_white_of_the_eye() -> None:
    """Without reflections and camera, a healthy pupil is darker than 0.6 of the sclera."""
    for seed in range(25):
        picture, eye = scene(seed, "Healthy", reflections=False)
        grey = picture.mean(axis=2)
        pupil, sclera = grey[eye.labels == PUPIL], grey[eye.labels == SCLERA]
        if pupil.size > 20 and sclera.size > 20:
            assert np.median(pupil) < 0.6 * np.median(sclera)


def test_opaque_lenses_are_paler_than_clear_ones() -> None:
    """Averaged over seeds, cataract pupils are at least twice as bright as healthy ones."""

    def brightness(condition: Condition) -> float:
        values = []
        for seed in range(25):
            picture, eye = scene(seed, condition)
            pupil = picture.mean(axis=2)[eye.labels == PUPIL]
            if pupil.size > 20:
                values.append(float(np.median(pupil)))
        return float(np.mean(values))

    assert brightness("Cataract") > 2 * brightness("Healthy")


def test_opacity_is_known_of_cataracts_only() -> None:
    """Lens opacity is 0 for clear lenses and at least 0.4 for cataracts."""
    for seed in range(10):
        assert rendered(seed, "Cataract").lens_opacity >= 0.4
        assert rendered(seed, "Healthy").lens_opacity == 0.0
        assert rendered(seed, "Stye").lens_opacity == 0.0


def test_redness_orders_the_pixels() -> None:
    """The stated redness and the measured (R - G) / (R + G) of the sclera rise together."""
    stated, measured = [], []
    for seed in range(40):
        picture, eye = scene(seed, "Conjunctivitis" if seed % 2 else "Healthy")
        sclera = picture[eye.labels == SCLERA].astype(float)
        if len(sclera) > 40:
            red, green = np.median(sclera[:, 0]), np.median(sclera[:, 1])
            stated.append(eye.redness)
            measured.append((red - green) / (red + green))
    ranks = [np.argsort(np.argsort(values)) for values in (stated, measured)]
    assert np.corrcoef(*ranks)[0, 1] > 0.6


def test_redness_of_conjunctivitis_is_above_that_of_healthy_eyes() -> None:
    """No conjunctivitis is stated less red than any healthy eye."""
    red = [rendered(seed, "Conjunctivitis").redness for seed in range(20)]
    healthy = [rendered(seed, "Healthy").redness for seed in range(20)]
    assert min(red) > max(healthy)


def test_a_stye_reddens_the_lid() -> None:
    """The reddest skin around a stye stands out more (a*) than the reddest around healthy eyes."""
    more = []
    for seed in range(15):
        _, eye = scene(seed, "Stye")
        picture = eye.picture
        lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 1].astype(float)
        skin = eye.labels == 0
        more.append(np.percentile(lab[skin], 98) - np.median(lab[skin]))
    plain = []
    for seed in range(15):
        _, eye = scene(seed, "Healthy")
        lab = cv2.cvtColor(eye.picture, cv2.COLOR_RGB2LAB)[..., 1].astype(float)
        skin = eye.labels == 0
        plain.append(np.percentile(lab[skin], 98) - np.median(lab[skin]))
    assert np.median(more) > 1.5 * np.median(plain)


def test_side_follows_from_the_nose() -> None:
    """With the inner corner left in the picture, it is the person's left eye, and the reverse."""
    sides = set()
    for seed in range(12):
        eye = rendered(seed, "Healthy")
        assert eye.side == ("left" if eye.inner == 0 else "right")
        sides.add(eye.side)
    assert sides == {"left", "right"}


def test_the_iris_can_fill_the_picture() -> None:
    """In the closest framing most of the picture is iris or pupil at least sometimes."""
    shares = [(rendered(seed, "Cataract", "iris").labels >= IRIS).mean() for seed in range(12)]
    assert max(shares) > 0.5


def test_a_placement_maps_there_and_back() -> None:
    """Coordinates of a pixel's middle map back to that pixel."""
    placement = sample_placement(np.random.default_rng(0), framing="any", size=(40, 50))
    u, v = placement.coordinates()
    x, y = placement.pixel(float(u[7, 30]), float(v[7, 30]))
    assert (x, y) == pytest.approx((30.5, 7.5), abs=1e-3)


def test_pixels_per_eye_width() -> None:
    """A plain enlargement by 80 has 80 pixels per eye width."""
    placement = Placement(to_pixels=np.array([[80.0, 0, 50], [0, 80.0, 40]]), size=(80, 100))
    assert placement.scale_px == pytest.approx(80)
    assert placement.pixel(-0.5, 0) == (10, 40)


def test_lids_meet_at_the_corners() -> None:
    """Both lids' curves are 0 at the corners, peak where stated, and cross beyond them."""
    lids = Lids(
        upper=0.2,
        lower=0.1,
        upper_inner=0.7,
        upper_outer=0.7,
        lower_inner=0.7,
        lower_outer=0.7,
        crease=0.1,
        crease_strength=0.5,
        hood=0.0,
    )
    curves = lid_curves(lids, None)
    corners = np.array([-0.5, 0.5])
    assert curves.at(curves.upper, corners) == pytest.approx([0, 0], abs=0.02)
    assert curves.at(curves.lower, corners) == pytest.approx([0, 0], abs=0.02)
    assert curves.openness == pytest.approx(0.3, abs=0.01)
    assert curves.middle == pytest.approx(-0.05, abs=0.01)
    assert curves.at(curves.upper, np.array([0.9]))[0] < 0


@pytest.mark.parametrize("size", [(15, 40), (40, 15), (0, 0)])
def test_too_small_a_picture_is_refused(size: tuple[int, int]) -> None:
    """Fewer than 16 pixels on a side are no picture of an eye."""
    with pytest.raises(InputError, match="at least 16×16 px"):
        render_eye(np.random.default_rng(0), condition="Healthy", size=size)


def test_an_unknown_condition_is_refused() -> None:
    """The error names the four conditions and what came."""
    with pytest.raises(InputError, match="Cataract, Conjunctivitis, Healthy, Stye, but got 'Flu'"):
        render_eye(np.random.default_rng(0), condition="Flu")  # type: ignore[arg-type]


def test_labels_of_another_size_are_refused() -> None:
    """A record whose labels do not fit its picture cannot be made."""
    eye = rendered(1, "Healthy")
    with pytest.raises(InputError, match="give both at one size"):
        RenderedEye(
            **{
                name: getattr(eye, name)
                for name in RenderedEye.__dataclass_fields__
                if name != "labels"
            },
            labels=eye.labels[:-1],
        )


def test_importing_the_package_is_light() -> None:
    """The package's own import loads no cv2; its public names load on first use."""
    code = (
        "import sys, engine.eyes.rendered as r; assert 'cv2' not in sys.modules; "
        "r.render_eye; print('cv2' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_public_names_exist() -> None:
    """Every name in ``__all__`` can be had, and no other can."""
    import engine.eyes.rendered as package

    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'render_nose'"):
        _ = package.render_nose  # type: ignore[attr-defined]
