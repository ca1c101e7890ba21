"""Checks of heat maps on pictures and callables with known answers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError
from engine.gradcam import checks

SPOT = (slice(8, 16), slice(20, 32))


@pytest.fixture
def picture() -> np.ndarray:
    """Return a noisy grey picture with one red spot."""
    random = np.random.default_rng(0)
    pixels = random.integers(90, 130, (40, 48, 3), dtype=np.uint8)
    pixels[SPOT] = (250, 10, 10)
    return pixels


def redness(pictures: np.ndarray) -> np.ndarray:
    """Return how much of the spot is still red, 0..1: a model that looks at the spot only."""
    inside = pictures[:, *SPOT].astype(float)
    return np.clip((inside[..., 0] - inside[..., 1]).mean(axis=(1, 2)) / 240, 0, 1)


def spot_map(value_inside: float, value_outside: float) -> np.ndarray:
    heat = np.full((40, 48), value_outside, np.float32)
    heat[SPOT] = value_inside
    return heat


def test_the_right_map_scores_above_the_wrong_one(picture: np.ndarray) -> None:
    """Hiding the spot first ends the answer at once; hiding it last keeps it nearly to the end."""
    right = checks.deletion_insertion(redness, picture, spot_map(1.0, 0.1))
    wrong = checks.deletion_insertion(redness, picture, spot_map(0.0, 1.0))
    assert right.effect > 0.6
    assert wrong.effect < -0.6
    assert right.full == pytest.approx(1.0, abs=0.01)
    assert right.blurred < 0.5


def test_a_random_order_has_no_effect(picture: np.ndarray) -> None:
    """Over many random maps, insertion minus deletion is 0 on average."""
    random = np.random.default_rng(1)
    found = [
        checks.deletion_insertion(
            redness, picture, random.random((40, 48)).astype(np.float32)
        ).effect
        for _ in range(20)
    ]
    assert abs(np.mean(found)) < 0.01


def test_areas_by_hand() -> None:
    """Four pixels, two steps: p is the share of unblurred pixels.

    Deletion: 1, 0.5, 0 has the area 0.5; so has insertion: 0, 0.5, 1.
    """
    picture = np.zeros((2, 2, 3), np.uint8)
    seen: list[int] = []

    def predict(pictures: np.ndarray) -> np.ndarray:
        seen.append(len(pictures))
        return np.array([1.0, 0.0, 0.25, 0.75])  # full, blurred, half hidden, half shown

    heat = np.array([[0.9, 0.1], [0.8, 0.2]], np.float32)
    found = checks.deletion_insertion(predict, picture, heat, steps=2)
    assert seen == [4]
    # deletion 1, 0.25, 0 -> (0.625 + 0.125) / 2; insertion 0, 0.75, 1 -> (0.375 + 0.875) / 2
    assert (found.deletion, found.insertion) == (0.375, 0.625)
    assert found.effect == 0.25


def test_the_hottest_part_goes_first() -> None:
    """After one of two steps exactly the hotter half is hidden, or shown."""
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:, ::2] = 255
    heat = np.zeros((8, 8), np.float32)
    heat[:4] = 1.0
    given_pictures: list[np.ndarray] = []

    def predict(pictures: np.ndarray) -> np.ndarray:
        given_pictures.append(pictures)
        return np.zeros(len(pictures))

    checks.deletion_insertion(predict, picture, heat, steps=2)
    full, blurred, hidden, shown = given_pictures[0]
    np.testing.assert_array_equal(full, picture)
    np.testing.assert_array_equal(hidden, np.concatenate([blurred[:4], picture[4:]]))
    np.testing.assert_array_equal(shown, np.concatenate([picture[:4], blurred[4:]]))


def test_the_blur_hides_the_spot_and_keeps_the_colours(picture: np.ndarray) -> None:
    """The baseline is smooth and as bright as the picture on average."""
    blurred = checks._blurred(picture)
    assert blurred.shape == picture.shape
    steps = np.abs(np.diff(blurred.astype(int), axis=1)).max()
    assert steps <= 8
    assert abs(blurred.mean() - picture.mean()) < 6


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 3), (300, 2, 3)])
def test_tiny_pictures_have_a_blur(shape: tuple[int, ...]) -> None:
    """One row, one column or one pixel is no error."""
    assert checks._blurred(np.full(shape, 9, np.uint8)).tolist() == np.full(shape, 9).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picture": np.zeros((4, 4), np.uint8)}, r"picture \(H, W, 3\) uint8"),
        ({"picture": np.zeros((4, 4, 3), np.float32)}, r"picture \(H, W, 3\) uint8"),
        ({"heat": np.zeros((3, 4), np.float32)}, r"map of the picture's size \(4, 4\)"),
        ({"heat": np.full((4, 4), np.nan, np.float32)}, "finite map"),
        ({"steps": 1}, "steps should be 2 to 100, but it is 1"),
        ({"predict": lambda _: np.zeros(3)}, "one finite probability for each of 8"),
        ({"predict": lambda pictures: np.full(len(pictures), np.nan)}, "one finite probability"),
    ],
)
def test_what_cannot_be_checked_is_refused(change: dict[str, object], message: str) -> None:
    """Shapes, steps and answers are checked, with a sentence."""
    arguments = {
        "predict": lambda pictures: np.zeros(len(pictures)),
        "picture": np.zeros((4, 4, 3), np.uint8),
        "heat": np.zeros((4, 4), np.float32),
        "steps": 4,
    } | change
    with pytest.raises(InputError, match=message):
        checks.deletion_insertion(**arguments)


def test_energy_by_hand() -> None:
    """Of a sum of 10, 3 + 1 lie inside; a soft region counts by its membership."""
    heat = np.array([[3.0, 1.0], [2.0, 4.0]])
    assert checks.energy_inside(heat, np.array([[True, True], [False, False]])) == pytest.approx(
        0.4
    )
    assert checks.energy_inside(heat, np.array([[0.5, 0.0], [0.0, 1.0]])) == pytest.approx(0.55)
    assert checks.energy_inside(heat, np.ones((2, 2), bool)) == 1.0


def test_an_empty_map_has_no_energy() -> None:
    """Nothing is inside of anything."""
    assert checks.energy_inside(np.zeros((2, 2)), np.ones((2, 2), bool)) == 0.0


@pytest.mark.parametrize(
    ("heat", "region", "message"),
    [
        (np.ones((2, 2)), np.ones((2, 3), bool), "same shape"),
        (np.ones(4), np.ones(4, bool), "same shape"),
        (-np.ones((2, 2)), np.ones((2, 2), bool), "at least 0"),
        (np.full((2, 2), np.inf), np.ones((2, 2), bool), "finite"),
    ],
)
def test_energy_needs_a_map(heat: np.ndarray, region: np.ndarray, message: str) -> None:
    """Negative values and other shapes are refused."""
    with pytest.raises(InputError, match=message):
        checks.energy_inside(heat, region)


def test_similarity_is_spearmans_rho() -> None:
    """Ranks 1, 2, 3, 4 against 2, 1, 4, 3: rho = 1 - 6 * 4 / (4 * 15) = 0.6."""
    one, other = np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[20.0, 10.0, 80.0, 40.0]])
    assert checks.randomisation_similarity(one, other) == pytest.approx(0.6)


def test_similarity_with_equal_values() -> None:
    """Equal values share their ranks, as in scipy.stats.spearmanr."""
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(3)
    for _ in range(20):
        one, other = random.integers(0, 4, (2, 5, 6)).astype(float)
        rho = stats.spearmanr(one.ravel(), other.ravel()).statistic
        assert checks.randomisation_similarity(one, other) == pytest.approx(max(rho, 0), abs=1e-9)


def test_similarity_of_constant_maps() -> None:
    """Two empty maps are alike; an empty and a varied one are not; opposite ones are not."""
    flat, varied = np.zeros((2, 2)), np.array([[1.0, 2.0], [3.0, 4.0]])
    assert checks.randomisation_similarity(flat, flat) == 1.0
    assert checks.randomisation_similarity(flat, varied) == 0.0
    assert checks.randomisation_similarity(varied, -varied) == 0.0
    with pytest.raises(InputError, match="same shape"):
        checks.randomisation_similarity(flat, np.zeros((2, 3)))


def test_shuffled_heads_tell_learned_maps_from_edges() -> None:
    """Channels that differ give other maps; channels that all show one edge give the same."""
    random = np.random.default_rng(0)
    different = random.normal(size=(3, 16, 6, 6)).astype(np.float32)
    edge = np.abs(different[:, :1]).repeat(16, axis=1)
    weights = np.abs(random.normal(size=(2, 16))).astype(np.float32)
    signed = random.normal(size=(2, 16)).astype(np.float32)
    classes = np.array([0, 1, 0])
    assert checks.head_randomisation(different, signed, classes) < 0.4
    assert checks.head_randomisation(edge, weights, classes) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("given_values", "expected", "words"),
    [
        ({"inside": 0.8, "effect": 0.3, "random_similarity": 0.1}, "supported", "80 %.*hiding"),
        ({"inside": 0.5, "effect": 0.05}, "supported", "50 % of the heat map lies on the eye"),
        ({"inside": 0.8, "random_similarity": 0.1}, "supported", "weights are made random"),
        ({"inside": 0.8}, "weak", "was not tested"),
        ({"inside": 0.8, "effect": 0.0}, "weak", "hardly changes the answer"),
        ({"inside": 0.4, "effect": 0.3}, "weak", "the rest of it lies beside the eye"),
        ({"inside": 0.2, "effect": 0.3}, "not shown", "Only 20 % of the heat map"),
        ({"inside": 0.35, "eye_share": 0.4, "effect": 0.3}, "not shown", "Only 35 %"),
        ({"inside": 0.9, "random_similarity": 0.9}, "not shown", "the same with random weights"),
        ({"inside": 0.0, "is_empty": True}, "not shown", "Nothing in the picture speaks"),
    ],
)
def test_verdicts(given_values: dict[str, object], expected: str, words: str) -> None:
    """Each rule leads to its verdict and says why."""
    found = checks.verdict(**given_values)
    assert found.verdict == expected
    assert re.search(words, found.reason)
    assert found.reason.endswith(".")


@settings(max_examples=200, deadline=None)
@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
    st.none() | st.floats(-1, 1),
    st.none() | st.floats(0, 1),
)
def test_every_map_gets_a_verdict(
    inside: float,
    eye_share: float,
    is_empty: bool,
    effect: float | None,
    similarity: float | None,
) -> None:
    """No combination falls through; "supported" needs half of the energy and a passed test."""
    found = checks.verdict(
        inside=inside,
        eye_share=eye_share,
        is_empty=is_empty,
        effect=effect,
        random_similarity=similarity,
    )
    assert found.verdict in {"supported", "weak", "not shown"}
    if found.verdict == "supported":
        assert inside >= 0.5
        assert effect is not None or similarity is not None


def test_shares_are_no_percent() -> None:
    """80 is not 0.8."""
    with pytest.raises(InputError, match=r"inside should lie in 0..1, but it is 80"):
        checks.verdict(inside=80)
