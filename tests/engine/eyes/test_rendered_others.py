"""Pictures that are no eye."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError
from engine.eyes.rendered import KINDS, render_not_an_eye


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_picture(kind: str) -> None:
    """Each kind gives pixels of the asked size that differ from seed to seed."""
    first = render_not_an_eye(np.random.default_rng(0), size=(60, 80), kind=kind)
    other = render_not_an_eye(np.random.default_rng(1), size=(60, 80), kind=kind)
    assert first.shape == (60, 80, 3)
    assert first.dtype == np.uint8
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_a_picture(kind: str) -> None:
    """The same generator state gives the same picture."""
    pictures = [
        render_not_an_eye(np.random.default_rng(5), size=(32, 40), kind=kind) for _ in range(2)
    ]
    assert np.array_equal(*pictures)


def test_kinds_come_by_chance() -> None:
    """Without a kind, pictures differ in more than detail: their mean colours spread widely."""
    means = [
        render_not_an_eye(np.random.default_rng(seed), size=(24, 24)).mean() for seed in range(40)
    ]
    assert np.ptp(means) > 80


def test_an_unknown_kind_is_refused() -> None:
    """The error lists the kinds."""
    with pytest.raises(InputError, match=r"Kinds are fundus, .*, but got 'unicorn'"):
        render_not_an_eye(np.random.default_rng(0), kind="unicorn")


def test_too_small_a_picture_is_refused() -> None:
    """Fewer than 16 pixels on a side are refused."""
    with pytest.raises(InputError, match="at least 16×16 px"):
        render_not_an_eye(np.random.default_rng(0), size=(8, 8))
