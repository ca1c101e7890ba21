"""Using a trained model: on a picture that is stored, on one that is only looked at, on many.

Answers about stored pictures are records; what a visitor only looks at stays with the visitor.
"""

from __future__ import annotations

from engine.catalogue.predicting.answers import Answered, Progress
from engine.catalogue.predicting.comparing import Compared
from engine.catalogue.predicting.explaining import Explained
from engine.catalogue.predicting.forms import FORMS, Exported, PredictionForm
from engine.catalogue.predicting.predictions import Predicting
from engine.catalogue.predicting.views import Seen

__all__ = [
    "FORMS",
    "Answered",
    "Compared",
    "Explained",
    "Exported",
    "Predicting",
    "PredictionForm",
    "Progress",
    "Seen",
]
