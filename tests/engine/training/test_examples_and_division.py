"""Which pictures are taken, and how they are dealt without dividing a group."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import DatasetError
from engine.training.dividing import divide
from engine.training.examples import Example, TrainingSet, checked
from tests.engine.training.discs import disc_example, disc_set


def example(picture: np.ndarray, mask: np.ndarray) -> Example:
    """Return arrays as an example."""
    return Example(name="odd one", load=lambda: (picture, mask))


GREY = np.zeros((4, 4), np.uint8)
RGB = np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    ("picture", "mask", "message"),
    [
        (GREY, GREY, r"should be \(height, width, 3\) of uint8"),
        (RGB.astype(np.float32), GREY, "of float32; convert it to RGB"),
        (np.zeros((4, 4, 4), np.uint8), GREY, r"but is \(4, 4, 4\)"),
        (RGB, np.zeros((4, 5), np.uint8), "export the mask at the picture's size"),
        (RGB, GREY + 2, "has the value 2, but there are only 2 classes"),
        (np.zeros((0, 4, 3), np.uint8), np.zeros((0, 4), np.uint8), "should be"),
    ],
)
def test_what_does_not_fit_is_told(picture: np.ndarray, mask: np.ndarray, message: str) -> None:
    """Wrong channels, types, sizes and values are sentences that name the picture."""
    with pytest.raises(DatasetError, match=message):
        checked(example(picture, mask), 2)


def test_255_is_no_class() -> None:
    """A mask may leave pixels open."""
    mask = GREY + 255
    assert checked(example(RGB, mask), 2)[1] is mask


@pytest.mark.parametrize(
    ("classes", "examples", "message"),
    [
        (("background",), (disc_example(0),), "at least two classes"),
        (("background", "disc"), (), "has no picture with a mask"),
    ],
)
def test_an_empty_set_is_refused(
    classes: tuple[str, ...], examples: tuple[Example, ...], message: str
) -> None:
    """Without classes or pictures there is nothing to learn."""
    with pytest.raises(DatasetError, match=message):
        TrainingSet(name="empty", classes=classes, examples=examples)


def test_groups_stay_whole() -> None:
    """No patient is on two sides, and every part has pictures."""
    examples = [disc_example(seed, group=f"patient {seed // 3}") for seed in range(30)]
    found = divide(examples, seed=1)
    sides: dict[str, set[str]] = {}
    for one, part in zip(examples, found.parts, strict=True):
        sides.setdefault(one.group, set()).add(part)
    assert all(len(parts) == 1 for parts in sides.values())
    assert len(found.indices("test")) == 6  # a fifth
    assert 3 <= len(found.indices("validation")) <= 6


def test_the_same_seed_gives_the_same_division() -> None:
    """Chance is seeded."""
    examples = disc_set(20).examples
    assert divide(examples, seed=3).parts == divide(examples, seed=3).parts
    assert divide(examples, seed=3).parts != divide(examples, seed=4).parts


def test_a_given_split_is_kept() -> None:
    """What the dataset says counts; only a missing validation is dealt, from the training part."""
    examples = [disc_example(i, split="test" if i < 3 else "train") for i in range(12)]
    found = divide(examples)
    assert found.indices("test") == (0, 1, 2)
    assert set(found.indices("validation")) <= set(range(3, 12))
    assert found.indices("validation")


def test_few_groups_have_no_test_and_it_is_said() -> None:
    """With three patients one validates, none is left for a test."""
    examples = [disc_example(i, group=f"p{i % 3}") for i in range(9)]
    found = divide(examples)
    assert found.indices("test") == ()
    assert len(found.indices("validation")) == 3
    assert "Too few groups" in found.sentence


def test_the_only_picture_is_learnt_from_and_it_is_said() -> None:
    """One picture says nothing about others."""
    found = divide([disc_example(0)])
    assert found.parts == ("train",)
    assert "says nothing about other pictures" in found.sentence or "one picture" in found.sentence


def test_folds_cover_every_group_once() -> None:
    """Over five folds each picture is in the test exactly once."""
    examples = disc_set(15).examples
    tests = [i for fold in range(5) for i in divide(examples, fold=fold).indices("test")]
    assert sorted(tests) == list(range(15))
