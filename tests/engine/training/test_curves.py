"""The picture of a training: a PNG whose lines lie where the values are."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest

from engine.imaging.palettes import OKABE_ITO
from engine.training.curves import draw_curves
from engine.training.curves.ticks import nice_ticks, tick_text


def _epoch(number: int, **more: Any) -> dict[str, Any]:
    return {
        "epoch": number,
        "train_loss": 1.0 / number,
        "validation_loss": 1.2 / number,
        "dice": {"nucleus": 1.0 - 1.0 / (number + 1)},
        "mean_dice": 1.0 - 1.0 / (number + 1),
        **more,
    }


def _pixels(png: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (520, 1200, 3)
    return picture[..., ::-1].astype(int)


def _rows(picture: np.ndarray, colour: str, *, left: int, right: int) -> np.ndarray:
    """Return the rows, above the legend, in which a colour occurs between two columns."""
    close = np.abs(picture[:400, left:right] - OKABE_ITO[colour]).sum(axis=2) < 20
    return np.flatnonzero(close.any(axis=1))


def test_lines_lie_where_the_values_are() -> None:
    """The axis of Dice goes from 0 (row 390) to 1 (row 80): 0.5 is in the middle."""
    history = [_epoch(number, dice={"nucleus": 0.5}) for number in range(1, 11)]
    rows = _rows(_pixels(draw_curves(history)), "blue", left=690, right=1160)
    assert rows.mean() == pytest.approx(235, abs=2)
    assert rows.max() - rows.min() <= 14  # a line with its marks


def test_training_and_validation_are_told_apart() -> None:
    """The loss has two lines, the larger one higher."""
    picture = _pixels(draw_curves([_epoch(number) for number in range(1, 9)]))
    ours = _rows(picture, "blue", left=90, right=560)
    theirs = _rows(picture, "vermillion", left=90, right=560)
    assert theirs.min() < ours.min()
    assert theirs.max() < ours.max()


def test_a_missing_value_leaves_a_gap() -> None:
    """What is not a number is not drawn, nor joined across."""
    whole = [_epoch(number) for number in range(1, 4)]
    broken = [whole[0], whole[1] | {"dice": {"nucleus": math.nan}}, whole[2]]
    inked = [
        int((np.abs(_pixels(draw_curves(rows))[:400, 690:] - OKABE_ITO["blue"]).sum(2) < 20).sum())
        for rows in (whole, broken)
    ]
    assert 0 < inked[1] < 0.7 * inked[0]


@pytest.mark.parametrize(
    "history",
    [
        [],
        [_epoch(1, best=True)],
        [_epoch(1, train_loss=None, validation_loss=math.nan, dice={})],
        [_epoch(n, train_loss=0.0, validation_loss=0.0, elapsed_s=9.0) for n in (1, 2)],
        [_epoch(n, dice={f"c{k}": k / 9 for k in range(9)}, elapsed_s=700.0) for n in (1, 2)],
    ],
    ids=["nothing", "one epoch", "no values", "flat", "nine classes"],
)
def test_any_history_gives_a_picture(history: list[dict[str, Any]]) -> None:
    """No epoch, one, none with a number, a flat line, many classes: always a PNG."""
    assert _pixels(draw_curves(history)).min() < 100


@pytest.mark.parametrize(
    ("low", "high", "whole"), [(0.0, 0.93, False), (3, 3, True), (-2.0, 7.5, False), (1, 400, True)]
)
def test_ticks_are_round_and_hold_the_values(low: float, high: float, *, whole: bool) -> None:
    """From at or below the lowest to at or above the highest, in equal steps, at most six."""
    ticks = nice_ticks(low, high, whole=whole)
    assert ticks[0] <= low <= high <= ticks[-1]
    assert 2 <= len(ticks) <= 6
    assert np.ptp(np.diff(ticks)) == pytest.approx(0.0, abs=1e-9)
    assert not whole or all(tick == round(tick) for tick in ticks)
    assert len({tick_text(tick, ticks) for tick in ticks}) == len(ticks)
