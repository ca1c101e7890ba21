"""The eye check as a whole, on a portrait from an installed package and on eyes that we drew."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from engine.errors import InputError, MemoryShortError, ModelError
from engine.eyes import judging
from engine.eyes.classifier import Ruling
from engine.eyes.judging import HeatMaps
from engine.eyes.rendered import render_eye
from engine.eyes.results import EyeFinding, Screening
from engine.eyes.screening import BEST_FRAMES, EyeScreener, screen
from engine.settings import Settings
from engine.shipped import shipped

Picture = NDArray[np.uint8]


def near_portrait() -> Picture:
    """The astronaut's face, as large as a webcam shows a face: 960×720."""
    return cv2.resize(data.astronaut()[20:260, 90:410], (960, 720), interpolation=cv2.INTER_CUBIC)


def drawn(seed: int, condition: str = "Healthy") -> Picture:
    rng = np.random.default_rng(seed)
    return render_eye(rng, condition=condition, size=(360, 420), framing="region").picture


def both(screening: Screening) -> tuple[EyeFinding, EyeFinding]:
    assert screening.left is not None
    assert screening.right is not None
    return screening.left, screening.right


@pytest.fixture(scope="module")
def screener() -> EyeScreener:
    return EyeScreener(Settings())


@pytest.fixture(scope="module")
def answer(screener: EyeScreener) -> Screening:
    return screener.screen([near_portrait()])


def test_a_portrait_has_a_face_and_both_eyes(answer: Screening) -> None:
    """Each eye comes with crop, box, quality and a place inside the face."""
    assert answer.scene == "face"
    assert answer.face is not None
    for finding, side in zip(both(answer), ("left", "right"), strict=True):
        assert finding.side == side
        assert finding.crop.shape == (128, 144, 3)
        assert finding.quality.passed
        assert answer.face.iou(finding.box) > 0


def test_left_is_the_persons_left(answer: Screening) -> None:
    """In a photograph the person's left eye lies on the right."""
    left, right = both(answer)
    assert left.box.centre[0] > right.box.centre[0]


def test_eyes_lie_where_the_portrait_has_them(answer: Screening) -> None:
    """The astronaut's pupils are at (205, 105) and (247, 106) of the picture, read off by hand."""
    left, right = both(answer)
    for finding, (x, y) in ((right, (205, 105)), (left, (247, 106))):
        expected = ((x - 90) * 3, (y - 20) * 3)
        assert np.hypot(*np.subtract(finding.box.centre, expected)) < 25


def test_a_mirrored_picture_swaps_sides_when_told(screener: EyeScreener, answer: Screening) -> None:
    """Flipped pixels with ``mirrored=True`` give each eye the side it had."""
    flipped = np.ascontiguousarray(near_portrait()[:, ::-1])
    found = both(screener.screen([flipped], mirrored=True))
    for finding, before in zip(found, both(answer), strict=True):
        x, y = before.box.centre
        assert np.hypot(finding.box.centre[0] - (960 - x), finding.box.centre[1] - y) < 15


@pytest.mark.parametrize("degrees", [-20, 20])
def test_a_tilted_head_keeps_its_sides(screener: EyeScreener, degrees: float) -> None:
    """A head tilted by 20° has its left eye still on the image's right."""
    matrix = cv2.getRotationMatrix2D((480, 360), degrees, 0.8)
    tilted = cv2.warpAffine(near_portrait(), matrix, (960, 720), borderMode=cv2.BORDER_REPLICATE)
    left, right = both(screener.screen([tilted]))
    assert left.box.centre[0] > right.box.centre[0]


def test_scores_are_probabilities(answer: Screening) -> None:
    """Raw and calibrated scores are over the contract's classes and sum to 1."""
    for finding in both(answer):
        for scores in (finding.scores, finding.raw_scores):
            assert set(scores) == {"Cataract", "Conjunctivitis", "Healthy", "Stye"}
            assert sum(scores.values()) == pytest.approx(1, abs=1e-6)
        assert finding.label == max(finding.scores, key=lambda name: finding.scores[name])


def test_a_healthy_portrait_is_given_no_disease_as_likely(answer: Screening) -> None:
    """The astronaut has no eye disease: the answer is healthy, or not clear, never a disease."""
    for finding in both(answer):
        assert finding.decision in {"likely", "uncertain"}
        assert finding.decision == "uncertain" or finding.label == "Healthy"


def test_an_eye_that_fills_the_picture_is_a_close_up(screener: EyeScreener) -> None:
    """One eye of unknown side is where callers of the older service look for it: on the left."""
    answer = screener.screen([drawn(1)])
    assert answer.scene == "close_up"
    assert answer.left is not None
    assert (answer.left.side, answer.right) == ("unknown", None)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((240, 320, 3), np.uint8),
        np.full((1, 1, 3), 127, np.uint8),
        np.full((3000, 4, 3), 200, np.uint8),
        np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8),
    ],
    ids=["black", "one pixel", "sliver", "noise"],
)
def test_what_shows_nothing_gets_no_eye(screener: EyeScreener, picture: Picture) -> None:
    """A picture without anything is told so; it never gets a class."""
    answer = screener.screen([picture])
    findings = [finding for finding in (answer.left, answer.right) if finding is not None]
    assert all(finding.decision in {"not_an_eye", "retake"} for finding in findings)
    assert answer.reasons or findings


@pytest.mark.parametrize("name", ["coffee", "rocket", "chelsea", "page", "coins", "moon"])
def test_pictures_that_are_no_eye_get_no_disease(screener: EyeScreener, name: str) -> None:
    """A cup, a rocket, a cat, a page, coins and the moon are never called a disease."""
    picture = getattr(data, name)()
    colour = picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    answer = screener.screen([colour])
    for finding in (answer.left, answer.right):
        if finding is not None and finding.decision in {"likely", "uncertain"}:
            assert finding.label == "Healthy"


def test_bad_frames_are_counted_and_never_averaged(
    screener: EyeScreener, answer: Screening
) -> None:
    """One sharp frame among three blurred ones: the scores are those of the sharp one alone."""
    blurred = cv2.GaussianBlur(near_portrait(), (0, 0), 9)
    found = both(screener.screen([blurred, near_portrait(), blurred, blurred]))
    for finding, alone in zip(found, both(answer), strict=True):
        assert (finding.frames_used, finding.frames_rejected) == (1, 3)
        assert finding.scores == pytest.approx(dict(alone.scores))


def test_good_frames_are_averaged(screener: EyeScreener, answer: Screening) -> None:
    """Two frames: each score is the mean of the scores that each frame has alone."""
    darker = (near_portrait() * 0.8).astype(np.uint8)
    other = both(screener.screen([darker]))
    together = both(screener.screen([near_portrait(), darker]))
    for finding, one, two in zip(together, both(answer), other, strict=True):
        assert finding.frames_used == 2
        for name, score in finding.scores.items():
            assert score == pytest.approx((one.scores[name] + two.scores[name]) / 2, abs=2e-3)


def test_at_most_five_frames_are_averaged(screener: EyeScreener) -> None:
    """Seven good frames: the best five count."""
    finding, _ = both(screener.screen([near_portrait()] * 7))
    assert finding.frames_used == BEST_FRAMES == 5


def test_a_face_too_far_away_is_told_to_come_closer(screener: EyeScreener) -> None:
    """Eyes of a few pixels: no class, no scores, and what to change."""
    small = cv2.resize(near_portrait(), (320, 240), interpolation=cv2.INTER_AREA)
    for finding in both(screener.screen([small])):
        assert finding.decision == "retake"
        assert (finding.label, dict(finding.scores), finding.prediction_set) == (None, {}, ())
        assert "Come closer" in finding.reasons[0]
        assert finding.frames_used == 0


def test_heat_maps_come_with_a_verdict(screener: EyeScreener) -> None:
    """Each map lies over the crop in 0..1, and its verdict has a reason."""
    for finding in both(screener.screen([near_portrait()], heat_maps=HeatMaps(tested=True))):
        heat = finding.heat_map
        assert heat is not None
        assert heat.values.shape == finding.crop.shape[:2]
        assert 0 <= heat.values.min() <= heat.values.max() <= 1
        assert heat.verdict in {"supported", "weak", "not shown"}
        assert heat.reason.endswith(".")


def test_heat_maps_can_be_left_out(screener: EyeScreener) -> None:
    """Who wants no map pays for none."""
    answer = screener.screen([near_portrait()], heat_maps=HeatMaps(shown=False))
    assert [finding.heat_map for finding in both(answer)] == [None, None]


def test_stye_stays_marked_experimental(answer: Screening) -> None:
    """The class with eight photographs is in the contract and marked."""
    assert all(finding.experimental == ("Stye",) for finding in both(answer))


def test_callers_at_once_get_their_own_answers(screener: EyeScreener) -> None:
    """Eight threads, four pictures: each answer is the one the picture has alone."""
    pictures = [drawn(seed, condition) for seed, condition in enumerate(("Healthy", "Cataract"))]
    pictures += [near_portrait(), np.ascontiguousarray(near_portrait()[:, ::-1])]
    alone = [screener.screen([picture]) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda picture: screener.screen([picture]), pictures * 4))
    for number, screening in enumerate(found):
        expected = alone[number % 4]
        assert screening.left is not None
        assert expected.left is not None
        assert screening.left.box == expected.left.box
        assert screening.left.scores == pytest.approx(dict(expected.left.scores), abs=5e-3)


def test_the_short_way_takes_one_picture_or_several(screener: EyeScreener) -> None:
    """``screen`` accepts an array as well as a list of them."""
    assert screen(drawn(1), screener=screener).scene == "close_up"
    assert screen([drawn(1)], screener=screener).scene == "close_up"


def test_no_picture_is_refused(screener: EyeScreener) -> None:
    """An empty list is the caller's mistake."""
    with pytest.raises(InputError, match="At least one picture is needed"):
        screener.screen([])


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_picture_is_refused(screener: EyeScreener, wrong: NDArray) -> None:
    """Another shape or type gets a sentence with what came."""
    with pytest.raises(InputError, match="shape"):
        screener.screen([wrong])


def test_too_little_memory_is_said_before_it_runs_out() -> None:
    """With a floor above all memory nothing starts."""
    with pytest.raises(MemoryShortError, match="MB"):
        EyeScreener(Settings(memory_floor_mb=900_000)).screen([near_portrait()])


def test_another_model_than_asked_for_stops_the_start() -> None:
    """Classes or name that differ from the settings are found before the first visitor."""
    with pytest.raises(ModelError, match="LIGHTBOX_EYE_CLASSES expects A, B"):
        EyeScreener(Settings(eye_classes=("A", "B"))).warm()
    with pytest.raises(ModelError, match="LIGHTBOX_EYE_MODEL_NAME asks for 'other'"):
        EyeScreener(Settings(eye_model_name="other")).warm()


def test_crops_are_kept_only_on_request(tmp_path: Path) -> None:
    """Without the setting nothing is written; with it, the crop of each eye as a PNG."""
    folder = tmp_path / "kept"
    EyeScreener(Settings()).screen([near_portrait()])
    assert not folder.exists()
    keeper = EyeScreener(Settings(saved_eyes_dir=folder))
    keeper.warm()
    assert not folder.exists(), "the drawn eye of the warm-up is nobody's"
    answer = keeper.screen([near_portrait()])
    kept = sorted(folder.iterdir())
    assert len(kept) == 2
    written = {path.name.split("-")[2]: cv2.imread(str(path))[..., ::-1] for path in kept}
    for finding in both(answer):
        assert np.array_equal(written[finding.side], finding.crop)


def test_a_folder_that_cannot_be_written_costs_no_answer(tmp_path: Path) -> None:
    """Keeping crops fails quietly for the visitor; the log tells the operator."""
    (tmp_path / "file").write_text("in the way")
    answer = EyeScreener(Settings(saved_eyes_dir=tmp_path / "file")).screen([near_portrait()])
    assert answer.scene == "face"


def test_status_tells_what_is_loaded() -> None:
    """Before the first picture the model is loading, after it is ready, with its runtime."""
    screener = EyeScreener(Settings())
    assert screener.status()["models"]["eyes"] == {"status": "loading"}
    screener.warm()
    status = screener.status()["models"]["eyes"]
    assert status["status"] == "ready"
    assert status["runtime"].startswith("openvino")
    assert screener.status()["memory"]["available_mb"] > 0


def test_the_layer_of_the_heat_maps_can_be_named() -> None:
    """The name that the card gives anyway works; one that the network has not stops the start."""
    card = json.loads(shipped("models", "eyes", "card.json").read_text())
    named = EyeScreener(Settings(grad_cam_layer=card["outputs"]["features"]))
    assert both(named.screen([near_portrait()]))[0].heat_map is not None
    with pytest.raises(ModelError, match="no-such-layer"):
        EyeScreener(Settings(grad_cam_layer="no-such-layer")).warm()


def test_an_iris_that_fills_the_picture_is_an_eye(screener: EyeScreener) -> None:
    """From so near that neither lids nor corners show, at least nine of ten drawn eyes are seen."""
    seen = []
    for seed in range(20):
        eye = render_eye(
            np.random.default_rng(seed), condition="Cataract", size=(360, 420), framing="iris"
        )
        answer = screener.screen([eye.picture])
        seen.append(answer.left is not None and answer.left.decision != "not_an_eye")
    assert sum(seen) >= 18


@pytest.mark.parametrize(("width_px", "decision"), [(79.0, "uncertain"), (80.0, "likely")])
def test_a_disease_is_not_called_likely_from_afar(width_px: float, decision: str) -> None:
    """Below 80 px a likely disease becomes uncertain, with a sentence; healthy stays likely."""
    sight = SimpleNamespace(crop=SimpleNamespace(scale_px=width_px))
    ruling = judging._not_from_afar(Ruling(decision="likely", label="Conjunctivitis"), sight)
    assert ruling.decision == decision
    assert ruling.label == "Conjunctivitis"
    healthy = judging._not_from_afar(Ruling(decision="likely", label="Healthy"), sight)
    assert healthy.decision == "likely"


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_a_second_healthy_portrait_is_given_no_disease_as_likely(
    screener: EyeScreener, scale: float
) -> None:
    """Grace Hopper, from matplotlib's samples, at the size as it is and a webcam's."""
    from matplotlib import cbook, image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        portrait = image.imread(file, format="jpg")
    sized = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for finding in both(screener.screen([sized])):
        assert finding.decision != "likely" or finding.label == "Healthy"


def test_a_model_that_cannot_be_opened_is_told_in_the_status(tmp_path: Path) -> None:
    """Opening in the background fails quietly for the process and loudly in the health answer."""
    screener = EyeScreener(Settings(eye_model=tmp_path / "gone"))
    with screener.warming():
        pass
    status = screener.status()["models"]["eyes"]
    assert status["status"] == "failed"
    assert "gone" in status["message"]
