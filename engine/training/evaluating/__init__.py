"""What a trained model is worth: measured once, on pictures that no step of the training saw."""

from __future__ import annotations

from engine.training.evaluating.results import Case, Evaluation, Figure, Gallery
from engine.training.evaluating.running import Answer, evaluate, evaluation_steps
from engine.training.evaluating.writing import write_evaluation

__all__ = [
    "Answer",
    "Case",
    "Evaluation",
    "Figure",
    "Gallery",
    "evaluate",
    "evaluation_steps",
    "write_evaluation",
]
