"""Which of TotalSegmentator's models we use, what they are called upstream, and who needs which.

Folders, trainers and releases as in ``map_tasks_config.py`` of TotalSegmentator 2.18 (Apache-2.0;
doi 10.1148/ryai.230024); none of these models needs a licence number. Knows no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

from engine.errors import RequestError
from engine.spine.segmenters import Backend, Task

__all__ = ["ALIASES", "MODELS", "WeightsModel", "model_named", "models_needed"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsModel:
    """One model that can be downloaded.

    ``folder`` is its folder's name and, with ``.zip``, its archive's; ``release`` the release that
    holds the archive. ``spacing_mm`` is the voxel size it works at.
    """

    name: str
    number: int
    folder: str
    trainer: str
    release: str
    spacing_mm: float
    title: str

    @property
    def inner_folder(self) -> str:
        """Return the one folder inside of ``folder``: plans, data set and folds."""
        return f"{self.trainer}__nnUNetPlans__3d_fullres"


_LONG_TRAINED = "nnUNetTrainer_4000epochs_NoMirroring"
_NO_MIRRORING = "nnUNetTrainerNoMirroring"

MODELS: tuple[WeightsModel, ...] = (
    WeightsModel(
        name="total_fast",
        number=297,
        folder="Dataset297_TotalSegmentator_total_3mm_1559subj",
        trainer=_LONG_TRAINED,
        release="v2.0.0-weights",
        spacing_mm=3.0,
        title="All organs and vertebrae at 3 mm, one model",
    ),
    WeightsModel(
        name="total",
        number=292,
        folder="Dataset292_TotalSegmentator_part2_vertebrae_1532subj",
        trainer=_NO_MIRRORING,
        release="v2.0.0-weights",
        spacing_mm=1.5,
        title="Vertebrae and sacrum at 1.5 mm",
    ),
    WeightsModel(
        name="total_rough",
        number=298,
        folder="Dataset298_TotalSegmentator_total_6mm_1559subj",
        trainer=_LONG_TRAINED,
        release="v2.0.0-weights",
        spacing_mm=6.0,
        title="Rough organs at 6 mm: finds the part to look at",
    ),
    WeightsModel(
        name="vertebrae_pp",
        number=803,
        folder="Dataset803_TotalSegmentator_vertebrae_inner_1559subj",
        trainer=_NO_MIRRORING,
        release="v2.5.0-weights",
        spacing_mm=1.5,
        title="Vertebral bodies C1 to L5 at 1.5 mm",
    ),
)
"""In the order in which they are shown."""

ALIASES: Mapping[str, str] = MappingProxyType({"vertebrae": "total_fast"})
"""Older name → name: what the older service called ``vertebrae`` is the model used by default."""


def model_named(name: str) -> WeightsModel:
    """Return a model by its name or an older one.

    >>> model_named("vertebrae").number
    297

    Raises
    ------
    RequestError
        When there is no such model; the sentence lists the names.
    """
    wanted = ALIASES.get(name, name)
    for model in MODELS:
        if model.name == wanted:
            return model
    names = ", ".join([model.name for model in MODELS] + list(ALIASES))
    raise RequestError(f"Expected the name of a model ({names}), but got {name[:60]!r}.")


def models_needed(backend: Backend, task: Task) -> tuple[WeightsModel, ...]:
    """Return what a backend has to find for a task; nothing for the embedded network.

    TotalSegmentator itself crops with a rough model before it runs the vertebrae of ``total``.

    >>> [model.number for model in models_needed("totalsegmentator", "total")]
    [292, 298]
    """
    if backend == "embedded":
        return ()
    if backend == "totalsegmentator" and task == "total":
        return (model_named("total"), model_named("total_rough"))
    return (model_named(task),)
