"""Models that answer: the runtime seam, model folders with their cards, calibrated answers.

Knows nothing about eyes, vertebrae or cells, and does not explain answers (``engine.gradcam``
does). Importing this package loads NumPy at most; OpenVINO and torch are loaded when a model of
their kind is opened.
"""

from __future__ import annotations

from engine.inference.cards import ModelCard
from engine.inference.runtimes import Runtime, open_model, open_runtime

__all__ = ["ModelCard", "Runtime", "open_model", "open_runtime"]
