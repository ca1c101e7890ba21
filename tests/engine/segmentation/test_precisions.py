"""bf16 is chosen when it pays and the masks stay; never by its worst pixel."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.segmentation.precisions import MaskTrial, compare_masks
from engine.segmentation.segmenter import open_segmenter


class Said:
    """A runtime that answers with fixed scores after some time."""

    name = device = precision = "made"

    def __init__(self, logits: NDArray[np.float32], seconds: float) -> None:
        self.logits = logits
        self.seconds = seconds

    def run(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return the scores, whatever was asked."""
        time.sleep(self.seconds)
        return {"logits": self.logits}


@pytest.mark.parametrize(
    ("f32_ms", "turned", "shift", "choice"),
    [
        (20.0, 0.004, 0.009, "bf16"),
        (11.0, 0.0, 0.0, "f32"),
        (20.0, 0.006, 0.0, "f32"),
        (20.0, 0.0, 0.011, "f32"),
    ],
)
def test_the_rule(f32_ms: float, turned: float, shift: float, choice: str) -> None:
    """Faster by 15 %, at most one pixel in 200 turned, probabilities within 0.01 on average."""
    trial = MaskTrial(f32_ms=f32_ms, bf16_ms=10.0, turned=turned, shift=shift)
    assert trial.choice == choice


def test_turned_pixels_and_shifts_are_counted() -> None:
    """Of 1,000 pixels three change sides: 0.3 %; a hundred ties that turn are no difference."""
    exact = np.zeros((1, 2, 10, 100), np.float32)
    exact[:, 0] = 0.2  # probabilities of 0.55 and 0.45
    exact[0, 0, 9] = 1e-3
    short = exact.copy()
    short[0, 1, 0, :3] = 0.3
    short[0, 1, 9] = 2e-3
    trial = compare_masks(
        Said(exact, 0.02), Said(short, 0.0), np.zeros((1, 3, 10, 100), np.float32), 1.0
    )
    assert trial.turned == pytest.approx(0.003)
    assert trial.shift < 1e-3
    assert trial.choice == "bf16"


def test_auto_opens_one_of_both_and_answers_alike(model_folder: Path) -> None:
    """Whatever was chosen, the mask is that of f32 but for pixels on the edge."""
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    auto = open_segmenter(model_folder, threads=1)
    exact = open_segmenter(model_folder, precision="f32", threads=1)
    assert auto.precision in ("f32", "bf16")
    assert (auto.predict(picture).mask != exact.predict(picture).mask).mean() < 0.02
