"""The private folder of one run: a home without telemetry, the models, the CT, the environment."""

from __future__ import annotations

import json
import os
import shutil
import site
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from engine.errors import DiskShortError
from engine.home import private_folder
from engine.imaging.volumes import Volume
from engine.spine.segmenters import Task
from engine.spine.weights.catalogue import models_needed
from engine.spine.weights.folders import model_folder

if TYPE_CHECKING:
    from engine.settings import Settings

__all__ = ["Workplace", "environment_for", "workplace"]

_QUIET_CONFIG = {
    "totalseg_id": "totalseg_lightbox",
    "send_usage_stats": False,
    "prediction_counter": 0,
    "statistics_disclaimer_shown": True,
}
_KEPT = ("PATH", "LANG", "LANGUAGE", "TZ", "VIRTUAL_ENV")
_KEPT_STARTS = ("LC_", "LD_", "PYTHON", "CUDA_", "NVIDIA_")
_COPIES = 2.5
"""What a run writes beside the CT: the resampled CT, labels, what it compresses of both."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """``folder`` holds everything; ``sockets``, elsewhere, what processes talk through.

    The name of a socket has at most 107 bytes, and the first folder's may be long.
    """

    folder: Path
    sockets: Path


@contextmanager
def workplace(settings: Settings, task: Task, volume: Volume) -> Iterator[Workplace]:
    """Make the folders of a run, with the CT in them, and remove them whatever happens.

    Raises
    ------
    DiskShortError
        When the disk is too small for the CT and what is made of it.
    """
    folder = private_folder(settings, "totalsegmentator")
    sockets = Path(tempfile.mkdtemp(prefix="lightbox-"))
    try:
        _require_disk(folder, volume.voxels.nbytes)
        for name in ("home", "weights", "tmp"):
            (folder / name).mkdir()
        (folder / "home" / "config.json").write_text(json.dumps(_QUIET_CONFIG), encoding="utf-8")
        for model in models_needed("totalsegmentator", task):
            # Only these, and by link: it deletes older models that it finds beside them.
            source = model_folder(settings, model).resolve()
            (folder / "weights" / model.folder).symlink_to(source, target_is_directory=True)
        np.save(folder / "volume.npy", volume.voxels)
        yield Workplace(folder=folder, sockets=sockets)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(sockets, ignore_errors=True)


def environment_for(folder: Path, threads: int) -> dict[str, str]:
    """Return the environment of the process: what programs need, and the places of this run.

    Nothing else is passed on, so that variables for nnU-Net or TotalSegmentator that somebody set
    for other work change nothing here.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_STARTS)
    }
    places: Mapping[str, Path] = {
        "HOME": folder / "home",  # caches and settings of the library's own libraries
        "TMPDIR": folder / "tmp",
        "TOTALSEG_HOME_DIR": folder / "home",
        "TOTALSEG_WEIGHTS_PATH": folder / "weights",
        "nnUNet_raw": folder / "weights",
        "nnUNet_preprocessed": folder / "weights",
        "nnUNet_results": folder / "weights",
    }
    return {
        **kept,
        **{name: str(place) for name, place in places.items()},
        "PYTHONUSERBASE": site.getuserbase(),  # would follow HOME
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "MPLBACKEND": "Agg",
    }


def _require_disk(folder: Path, ct_bytes: int) -> None:
    free, need = shutil.disk_usage(folder).free, int(_COPIES * ct_bytes) + 50_000_000
    if free < need:
        raise DiskShortError(
            f"TotalSegmentator needs about {need / 1e6:,.0f} MB on the disk for temporary files, "
            f"but only {free / 1e6:,.0f} MB are free; make room, or set LIGHTBOX_TEMP_DIR to "
            "another disk."
        )
