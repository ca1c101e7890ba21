"""Drawn tissue as a training set: known counts, groups and answers."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import RequestError
from engine.training.tissue import tissue_set


def test_pictures_come_in_groups() -> None:
    """Five pictures in groups of two: three groups, each picture of its own name."""
    found = tissue_set(5, side_px=64)
    assert len({one.name for one in found.examples}) == 5
    assert [one.group[-1] for one in found.examples] == ["0", "0", "1", "1", "2"]
    assert found.classes == ("background", "unhealthy", "healthy")


def test_all_states_occur_and_the_shares_differ() -> None:
    """Each picture has the three states and a part that nobody looked at; four are not alike."""
    shares = []
    for example in tissue_set(4, side_px=128).examples:
        picture, mask = example.load()
        assert (picture.shape, mask.shape) == ((128, 128, 3), (128, 128))
        assert set(np.unique(mask).tolist()) == {0, 1, 2, 255}
        shares.append((mask == 1).sum() / ((mask == 1) | (mask == 2)).sum())
    assert np.all(np.diff(shares) > 0.03)


def test_a_seed_is_a_set_of_its_own() -> None:
    """The same seed gives the same pixels, another seed none of them."""
    sets = [tissue_set(3, side_px=64, seed=seed) for seed in (1, 1, 2)]
    first, again, other = ([one.load()[0].tobytes() for one in s.examples] for s in sets)
    assert first == again
    assert not set(first) & set(other)


@pytest.mark.parametrize(("count", "per_group"), [(0, 2), (10_001, 2), (4, 0)])
def test_numbers_out_of_range(count: int, per_group: int) -> None:
    """No picture, too many, and groups of none are refused."""
    with pytest.raises(RequestError, match="1 to 10000 pictures"):
        tissue_set(count, per_group=per_group)


def test_a_size_out_of_range() -> None:
    """A picture below the smallest is refused when it is drawn."""
    with pytest.raises(RequestError, match="side_px"):
        tissue_set(1, side_px=10).examples[0].load()
