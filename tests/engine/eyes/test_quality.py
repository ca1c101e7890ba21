"""Each quality gate, tripped and not tripped, on drawn eyes with one controlled defect."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

from engine.eyes import crops, quality
from engine.eyes.landmarks import EyeLocation
from engine.eyes.rendered import render_eye
from engine.eyes.results import EyeQuality, QualityMeasure
from engine.imaging.boxes import Box


@dataclass
class Anatomy:
    """Stands for what an anatomy reader returns."""

    opening: Box | None = field(default_factory=lambda: Box(20, 44, 104, 40))
    openness: float = 0.35
    eye_confidence: float = 0.9
    gaze_offset: tuple[float, float] | None = (0.0, 0.0)


def eye_picture(width: int = 280, seed: int = 3) -> np.ndarray:
    """Return a sharp, evenly lit drawn eye: rings, lids and skin, 250 px high at 280 px width."""
    scale = width / 280
    big = np.full((1000, 1120, 3), (205, 165, 140), np.uint8)
    rng = np.random.default_rng(seed)
    cv2.ellipse(big, (560, 500), (400, 150), 0, 0, 360, (232, 228, 224), -1)
    lids = np.zeros(big.shape[:2], np.uint8)
    cv2.ellipse(lids, (560, 500), (400, 150), 0, 0, 360, 1, -1)
    iris = np.zeros_like(big)
    cv2.circle(iris, (560, 500), 165, (90, 120, 70), -1)
    for angle in rng.uniform(0, 2 * np.pi, 120):
        end = (int(560 + 165 * np.cos(angle)), int(500 + 165 * np.sin(angle)))
        cv2.line(iris, (560, 500), end, (60, 85, 50), 3)
    cv2.circle(iris, (560, 500), 62, (12, 10, 10), -1)
    cv2.circle(iris, (530, 470), 14, (255, 255, 255), -1)
    seen = (iris.any(axis=2) & (lids == 1))[:, :, None]
    big = np.where(seen, iris, big)
    cv2.ellipse(big, (560, 500), (400, 150), 0, 180, 360, (40, 28, 24), 10)
    for angle in np.linspace(np.pi * 1.1, np.pi * 1.9, 30):
        x, y = 560 + 400 * np.cos(angle), 500 + 150 * np.sin(angle)
        cv2.line(big, (int(x), int(y)), (int(x + 30 * np.cos(angle)), int(y - 60)), (30, 20, 20), 4)
    size = (round(1120 * scale / 4), round(1000 * scale / 4))
    return cv2.resize(big, size, interpolation=cv2.INTER_AREA)


def corners_of(picture: np.ndarray) -> crops.Corners:
    """Return the corners of :func:`eye_picture`: 160 and 960 of 1120 columns, the middle row."""
    height, width = picture.shape[:2]
    return (width * 160 / 1120, height / 2), (width * 960 / 1120, height / 2)


def judged(picture: np.ndarray, **known: object) -> EyeQuality:
    """Measure the canonical crop of an :func:`eye_picture`."""
    crop = crops.canonical_crop(picture, corners_of(picture))
    return quality.measure_quality(crop, picture_shape=picture.shape, **known)


def measure(result: EyeQuality, name: str) -> QualityMeasure:
    """Return one measure by name."""
    return next(m for m in result.measures if m.name == name)


def motion(picture: np.ndarray, length_px: int, *, vertical: bool = False) -> np.ndarray:
    """Return the picture as seen while moving by ``length_px``."""
    return cv2.blur(picture, (1, length_px) if vertical else (length_px, 1))


def test_a_good_eye_passes_everything() -> None:
    """A sharp, well lit, open eye of 200 px passes every measure and scores high."""
    result = judged(eye_picture(), anatomy=Anatomy())
    assert [m.name for m in result.measures if not m.passed] == []
    assert result.passed
    assert result.advice == ()
    assert result.score > 0.8


@pytest.mark.parametrize(("width", "passes"), [(53, False), (59, True), (84, True)])
def test_size(width: int, passes: bool) -> None:
    """Eyes are 800/1120 of the picture: 38 px are refused, 42 and 60 px are not."""
    size = measure(judged(eye_picture(width)), "size")
    assert size.value == pytest.approx(width * 800 / 1120)
    assert size.passed == passes
    assert size.blocking
    assert size.unit == "px"


def test_size_advice_names_the_numbers() -> None:
    """The sentence says how large the eye is and how large it should be."""
    advice = judged(eye_picture(31)).advice[0]
    assert advice == (
        "Come closer: your eye is 22 px wide; 40 px are the least, 80 px or more are better."
    )


@pytest.mark.parametrize(("percent", "passes"), [(1, True), (2, True), (5, False), (7, False)])
def test_defocus(percent: float, passes: bool) -> None:
    """Gaussian blur of 1 and 2 percent of the eye's width is judged, 5 and 7 percent is not."""
    blurred = cv2.GaussianBlur(eye_picture(), (0, 0), percent / 100 * 200)
    sharpness = measure(judged(blurred), "sharpness")
    assert sharpness.passed == passes
    assert judged(blurred).passed == passes


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize(("percent", "passes"), [(3, True), (35, False)])
def test_motion(percent: float, vertical: bool, passes: bool) -> None:
    """Moving by 3 percent of the eye's width is judged, by 35 percent in any direction is not."""
    moved = motion(eye_picture(), round(percent / 100 * 200), vertical=vertical)
    assert measure(judged(moved), "sharpness").passed == passes


def test_blur_width_of_a_step() -> None:
    """A step blurred by a known Gaussian is measured to 0.3 pixels."""
    step = np.zeros((96, 96), np.float32)
    step[:, 48:] = 200
    step[48:, :] += 50
    for sigma in (1.0, 2.0, 3.0, 4.0):
        blurred = cv2.GaussianBlur(step, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        assert quality.blur_width(blurred.astype(np.uint8)) == pytest.approx(sigma, abs=0.3)


def test_blur_width_ignores_contrast_and_noise() -> None:
    """A quarter of the contrast and 10 grey levels of noise change it by less than 10 percent."""
    grey = cv2.cvtColor(eye_picture(144), cv2.COLOR_RGB2GRAY)
    plain = quality.blur_width(grey)
    faint = quality.blur_width((grey * 0.25 + 90).astype(np.uint8))
    rng = np.random.default_rng(5)
    noisy = quality.blur_width(np.clip(grey + rng.normal(0, 10, grey.shape), 0, 255).astype("u1"))
    assert faint == pytest.approx(plain, rel=0.1)
    assert noisy == pytest.approx(plain, rel=0.1)


def test_a_flat_picture_has_no_edges() -> None:
    """One grey level is infinitely blurred for our purposes, and too flat."""
    result = judged(np.full((250, 280, 3), 120, np.uint8))
    failed = [m.name for m in result.measures if not m.passed]
    assert failed == ["sharpness", "contrast", "texture"]
    assert result.score < 0.05


@pytest.mark.parametrize(("light", "passes"), [(0.08, False), (0.3, True), (1.0, True)])
def test_darkness(light: float, passes: bool) -> None:
    """A twelfth of the light is refused with the right sentence, a third is judged."""
    brightness = measure(judged((eye_picture() * light).astype(np.uint8)), "brightness")
    assert brightness.passed == passes
    assert brightness.advice.startswith("More light from the front" if not passes else "")


def test_overexposure() -> None:
    """A burnt-out picture is refused and asks for less light."""
    burnt = np.clip(eye_picture().astype(int) * 3 + 120, 0, 255).astype(np.uint8)
    result = judged(burnt)
    assert not measure(result, "brightness").passed
    assert any(line.startswith("Less light") for line in result.advice)


@pytest.mark.parametrize(("share", "passes"), [(0.1, False), (0.4, True)])
def test_contrast(share: float, passes: bool) -> None:
    """A tenth of the contrast is too flat, two fifths are not."""
    flat = (eye_picture() * share + 120 * (1 - share)).astype(np.uint8)
    assert measure(judged(flat), "contrast").passed == passes


def test_glints_are_normal() -> None:
    """Two small reflections on the cornea count nothing."""
    picture = eye_picture()
    for x in (125, 150):
        cv2.circle(picture, (x, 120), 5, (255, 255, 255), -1)
    assert measure(judged(picture, anatomy=Anatomy()), "glare").value == 0


def test_glare_is_refused() -> None:
    """A lamp over a third of the opening blocks, and the sentence gives its share."""
    picture = eye_picture()
    cv2.circle(picture, (140, 125), 52, (255, 255, 255), -1)
    glare = measure(judged(picture, anatomy=Anatomy()), "glare")
    assert not glare.passed
    assert glare.blocking
    assert f"{glare.value:.0f} % of the eye is white" in glare.advice


def test_glare_by_hand() -> None:
    """A 20×10 block in an opening of 1000 px is 20 percent; its colour must be white."""
    pixels = np.zeros((50, 50, 3), np.uint8)
    mask = np.zeros((50, 50), bool)
    mask[10:30, :] = True
    pixels[15:25, 10:30] = 255
    assert quality.glare_percent(pixels, mask) == pytest.approx(20)
    pixels[15:25, 10:30] = (255, 255, 120)
    assert quality.glare_percent(pixels, mask) == 0
    assert quality.glare_percent(pixels, np.zeros((50, 50), bool)) == 0


@pytest.mark.parametrize(("openness", "passes"), [(0.05, False), (0.13, True), (0.4, True)])
def test_openness_from_anatomy(openness: float, passes: bool) -> None:
    """Closed lids block; narrow ones do not."""
    result = judged(eye_picture(), anatomy=Anatomy(openness=openness))
    assert measure(result, "openness").passed == passes
    assert result.passed == passes


def test_openness_from_landmarks() -> None:
    """Without anatomy the landmarks' lid ratio is used; with neither nothing is claimed."""
    where = EyeLocation(
        side="left",
        corners=((40.0, 125.0), (240.0, 125.0)),
        source="landmarks",
        confidence=0.9,
        openness=0.06,
        yaw_deg=50.0,
    )
    result = judged(eye_picture(), location=where)
    assert not measure(result, "openness").passed
    assert not measure(result, "yaw").passed
    assert "openness" not in [m.name for m in judged(eye_picture()).measures]


def test_unsure_anatomy_is_not_used() -> None:
    """A reader that saw no eye says nothing about lids and gaze."""
    closed = Anatomy(openness=0.02, eye_confidence=0.2, gaze_offset=(0.9, 0.0))
    assert judged(eye_picture(), anatomy=closed).passed


@pytest.mark.parametrize(
    ("side", "confidence", "openness", "passes"),
    [
        ("left", 0.03, None, False),
        ("left", 0.4, None, True),
        ("left", 0.03, 0.3, True),
        ("unknown", 0.03, None, True),
    ],
    ids=["closed", "unsure", "landmarks see it open", "close-up"],
)
def test_closed_lids_in_a_face(
    side: str, confidence: float, openness: float | None, passes: bool
) -> None:
    """Where a face has an eye and surely none is seen, the lids are closed."""
    where = EyeLocation(
        side=side,
        corners=((40.0, 125.0), (240.0, 125.0)),
        source="cascade",
        confidence=0.6,
        openness=openness,
    )
    nothing = Anatomy(opening=None, openness=0.0, eye_confidence=confidence, gaze_offset=None)
    result = judged(eye_picture(), anatomy=nothing, location=where)
    assert result.passed == passes
    if not passes:
        assert result.advice == ("Open your eyes wider: the lids cover the eye.",)


@pytest.mark.parametrize(("offset", "passes"), [((0.1, 0.1), True), ((0.3, 0.0), False)])
def test_gaze_advises_but_never_blocks(offset: tuple[float, float], passes: bool) -> None:
    """Looking aside lowers the score only."""
    ahead = judged(eye_picture(), anatomy=Anatomy())
    result = judged(eye_picture(), anatomy=Anatomy(gaze_offset=offset))
    assert measure(result, "gaze").passed == passes
    assert result.passed
    assert result.score < ahead.score


@pytest.mark.parametrize(("degrees", "roll"), [(0, 0), (20, 20), (-42, 42), (90, 0), (180, 0)])
def test_roll_is_the_tilt_of_the_head_not_of_the_phone(degrees: float, roll: float) -> None:
    """Quarter turns are a turned phone and count nothing."""
    dx, dy = np.cos(np.radians(degrees)) * 100, np.sin(np.radians(degrees)) * 100
    where = EyeLocation(
        side="left",
        corners=((140 - dx, 125 - dy), (140 + dx, 125 + dy)),
        source="cascade",
        confidence=0.6,
    )
    found = measure(judged(eye_picture(), location=where), "roll")
    assert found.value == pytest.approx(roll)
    assert found.passed == (roll <= 35)
    assert not found.blocking


@pytest.mark.parametrize(("shift", "passes"), [(0, True), (-60, True), (-130, False)])
def test_framing(shift: float, passes: bool) -> None:
    """An eye shifted out of the picture by 10 of 200 px is judged, by 90 px more it is not."""
    picture = eye_picture()
    (ax, y), (bx, _) = corners_of(picture)
    crop = crops.canonical_crop(picture, ((ax + shift, y), (bx + shift, y)))
    result = quality.measure_quality(crop, picture_shape=picture.shape)
    assert measure(result, "framing").passed == passes


def test_other_paddings_measure_the_same() -> None:
    """Sharpness, framing and size belong to the eye, not to the crop's padding."""
    picture = eye_picture()
    usual = crops.canonical_crop(picture, corners_of(picture))
    tight = crops.canonical_crop(picture, corners_of(picture), padding_x=8, padding_y=28)
    first, second = (
        quality.measure_quality(crop, picture_shape=picture.shape) for crop in (usual, tight)
    )
    for name in ("size", "framing", "sharpness"):
        assert measure(second, name).value == pytest.approx(measure(first, name).value, rel=0.15)


def test_score_falls_with_each_defect() -> None:
    """Blurred, dark, small and flat versions of one eye rank below it."""
    picture = eye_picture()
    best = judged(picture).score
    worse = [
        cv2.GaussianBlur(picture, (0, 0), 3),
        (picture * 0.25).astype(np.uint8),
        eye_picture(70),
        (picture * 0.2 + 100).astype(np.uint8),
    ]
    assert all(judged(each).score < best for each in worse)
    assert 0 <= best <= 1


def test_rendered_eyes_pass() -> None:
    """Of 12 rendered eyes cut at their true corners, at least 11 can be judged."""
    passed = 0
    for seed in range(12):
        eye = render_eye(
            np.random.default_rng(seed), condition="Healthy", size=(240, 270), framing="canonical"
        )
        crop = crops.canonical_crop(eye.picture, eye.corners)
        passed += quality.measure_quality(crop).passed
    assert passed >= 11


@pytest.mark.shared_data
def test_real_close_ups_pass(shared_data) -> None:
    """At least 95 percent of 150 real close-ups can be judged, and at most 10 percent blurred."""
    files = sorted((shared_data / "eyes" / "external_eye" / "images").glob("*/*.jpg"))[::5]
    passed = blurred_passed = 0
    for file in files:
        picture = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        height, width = (n * 300 // max(picture.shape) for n in picture.shape[:2])
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        eye_width = min(width / 1.4, height / 1.25)
        middle = (width - eye_width) / 2, (width + eye_width) / 2
        corners = ((middle[0], height / 2), (middle[1], height / 2))
        passed += quality.measure_quality(crops.canonical_crop(picture, corners)).passed
        soft = cv2.GaussianBlur(picture, (0, 0), 0.06 * eye_width)
        blurred_passed += quality.measure_quality(crops.canonical_crop(soft, corners)).passed
    assert passed >= 0.95 * len(files)
    assert blurred_passed <= 0.10 * len(files)
