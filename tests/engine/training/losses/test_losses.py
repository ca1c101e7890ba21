"""Losses by hand arithmetic; pixels that nobody annotated count for nothing."""

from __future__ import annotations

import math

import pytest
import torch

from engine.training.losses.combined import combined_loss
from engine.training.losses.cross_entropy import cross_entropy
from engine.training.losses.dice import dice_loss

# Two pixels in a row, two classes: certain to 3:1 of class 1, and undecided.
LOGITS = torch.tensor([[[[0.0, 0.0]], [[math.log(3.0), 0.0]]]])


def test_cross_entropy_is_the_mean_over_valid_pixels() -> None:
    """−ln ¾ and −ln ½, over two."""
    target = torch.tensor([[[1, 0]]], dtype=torch.uint8)
    expected = (-math.log(0.75) - math.log(0.5)) / 2
    assert cross_entropy(LOGITS, target).item() == pytest.approx(expected, abs=1e-6)


def test_an_ignored_pixel_is_not_in_the_denominator() -> None:
    """With one of two pixels unknown the loss is that of the other one, not half of it."""
    target = torch.tensor([[[1, 255]]], dtype=torch.uint8)
    assert cross_entropy(LOGITS, target).item() == pytest.approx(-math.log(0.75), abs=1e-6)


def test_class_weights_divide_by_the_weights_that_count() -> None:
    """Weights 1 and 3 on a pixel of each class: (3·−ln ¾ + 1·−ln ½) / 4."""
    target = torch.tensor([[[1, 0]]], dtype=torch.uint8)
    weights = torch.tensor([1.0, 3.0])
    expected = (-3 * math.log(0.75) - math.log(0.5)) / 4
    found = cross_entropy(LOGITS, target, weights=weights).item()
    assert found == pytest.approx(expected, abs=1e-6)


def test_focus_lets_certain_pixels_count_less() -> None:
    """With focus 2 each pixel's share is times (1 − p)²."""
    target = torch.tensor([[[1, 0]]], dtype=torch.uint8)
    expected = (0.25**2 * -math.log(0.75) + 0.5**2 * -math.log(0.5)) / 2
    assert cross_entropy(LOGITS, target, focus=2.0).item() == pytest.approx(expected, abs=1e-6)


def test_dice_of_soft_answers() -> None:
    """Shares ¾ and ½ of class 1, truth 1 and 0: (2·¾ + 1) / (1.25 + 1 + 1) with smoothing 1."""
    target = torch.tensor([[[1, 0]]], dtype=torch.uint8)
    assert dice_loss(LOGITS, target).item() == pytest.approx(1 - 2.5 / 3.25, abs=1e-6)


def test_dice_does_not_see_ignored_pixels() -> None:
    """The undecided pixel unknown: (2·¾ + 1) / (¾ + 1 + 1)."""
    target = torch.tensor([[[1, 255]]], dtype=torch.uint8)
    assert dice_loss(LOGITS, target).item() == pytest.approx(1 - 2.5 / 2.75, abs=1e-6)


def test_nothing_annotated_gives_no_loss_and_no_gradient() -> None:
    """A batch of unknown pixels has loss 0 and moves nothing; it is not NaN."""
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = combined_loss(logits, torch.full((2, 4, 4), 255, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) == 0.0


def test_gradients_of_ignored_pixels_are_zero() -> None:
    """Only annotated pixels pull at the network."""
    logits = torch.randn(1, 2, 2, 2, requires_grad=True)
    target = torch.tensor([[[0, 255], [255, 1]]], dtype=torch.uint8)
    combined_loss(logits, target).backward()
    assert logits.grad is not None
    unknown = (target == 255).unsqueeze(1).expand_as(logits)
    assert float(logits.grad[unknown].abs().max()) == 0.0
    assert float(logits.grad[~unknown].abs().min()) > 0.0
