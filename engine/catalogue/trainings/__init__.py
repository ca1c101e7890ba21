"""Trainings: suggested, started, watched, steered, and planned for later."""

from __future__ import annotations

from engine.catalogue.trainings.progress import Progress
from engine.catalogue.trainings.schedules import Schedule
from engine.catalogue.trainings.trainings import Suggestion, Trainings

__all__ = ["Progress", "Schedule", "Suggestion", "Trainings"]
