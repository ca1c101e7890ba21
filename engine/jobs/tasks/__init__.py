"""Every kind of work that Lightbox does in the background, by name.

Each task is declared in a module of this package; what runs is imported in the job's own process.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.jobs.task import Task
from engine.jobs.tasks.backups import BACKUP, RESTORE, VERIFY_BACKUP
from engine.jobs.tasks.detect_cells import DETECT_CELLS
from engine.jobs.tasks.export_dataset import EXPORT_DATASET
from engine.jobs.tasks.external_model import EXTERNAL_MODEL
from engine.jobs.tasks.files import COLLECT_GARBAGE, VERIFY_FILES
from engine.jobs.tasks.import_dataset import IMPORT_DATASET
from engine.jobs.tasks.models import COMPARE_MODELS, EXPORT_MODEL
from engine.jobs.tasks.predict_pictures import EXPORT_PREDICTIONS, PREDICT_PICTURES
from engine.jobs.tasks.sample_data import SAMPLE_DATA
from engine.jobs.tasks.train_model import TRAIN_MODEL

__all__ = ["TASKS"]

_ALL: Final[tuple[Task, ...]] = (
    SAMPLE_DATA,
    IMPORT_DATASET,
    EXPORT_DATASET,
    DETECT_CELLS,
    TRAIN_MODEL,
    COMPARE_MODELS,
    EXPORT_MODEL,
    PREDICT_PICTURES,
    EXPORT_PREDICTIONS,
    EXTERNAL_MODEL,
    VERIFY_FILES,
    COLLECT_GARBAGE,
    BACKUP,
    VERIFY_BACKUP,
    RESTORE,
)

TASKS: Final[Mapping[str, Task]] = MappingProxyType({task.name: task for task in _ALL})
