"""What a run is expected to take, against what runs took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.settings import Settings
from engine.spine.segmenters import Forecast, Task
from engine.spine.totalsegmentator.forecasting import forecast_run
from engine.spine.weights.catalogue import model_named
from engine.spine.weights.folders import model_folder


def forecast(
    home: Path, task: Task, shape: tuple[int, int, int], spacing_mm: float, threads: int = 2
) -> Forecast:
    settings = Settings(home=home, device="cpu")
    return forecast_run(settings, task, shape, (spacing_mm,) * 3, threads=threads)


def write_plans(home: Path, name: str, plan: dict[str, object]) -> None:
    model = model_named(name)
    folder = model_folder(Settings(home=home), model) / model.inner_folder
    folder.mkdir(parents=True)
    plans = {"configurations": {"3d_fullres": plan}}
    (folder / "plans.json").write_text(json.dumps(plans))


def tiny(side: int) -> dict[str, object]:
    return {
        "patch_size": [side] * 3,
        "architecture": {"arch_kwargs": {"features_per_stage": [4, 8]}},
    }


def test_the_published_size_is_assumed_where_nothing_is_installed(tmp_path: Path) -> None:
    """On 122×101×112 voxels at 3 mm the worker had 4.9 GB, with 0.4 GB of others beside it."""
    assert forecast(tmp_path, "total_fast", (122, 101, 112), 3.0).memory_mb == pytest.approx(
        5300, rel=0.1
    )


@pytest.mark.parametrize(
    ("task", "patch", "shape", "spacing_mm", "took_mb"),
    [
        ("total_fast", 64, (48, 44, 60), 3.0, 1854),
        ("total_fast", 64, (240, 240, 200), 1.0, 2107),
        ("total_fast", 128, (60, 60, 60), 3.0, 4397),
        ("vertebrae_pp", 64, (100, 100, 150), 1.5, 1733),
        ("vertebrae_pp", 128, (60, 60, 60), 1.5, 1782),
    ],
)
def test_forecasts_cover_what_runs_took(
    tmp_path: Path,
    task: Task,
    patch: int,
    shape: tuple[int, int, int],
    spacing_mm: float,
    took_mb: float,
) -> None:
    """Sampled proportional sizes of all processes lie between half the forecast and 5 % above."""
    write_plans(tmp_path, task, tiny(patch))
    memory_mb = forecast(tmp_path, task, shape, spacing_mm).memory_mb
    assert 0.5 * memory_mb <= took_mb <= 1.05 * memory_mb


def test_memory_grows_with_the_ct(tmp_path: Path) -> None:
    """A whole trunk takes gigabytes more than a part of it."""
    part = forecast(tmp_path, "total_fast", (512, 512, 100), 0.8)
    trunk = forecast(tmp_path, "total_fast", (512, 512, 900), 0.8)
    assert trunk.memory_mb > part.memory_mb + 4000
    assert trunk.what == "TotalSegmentator on 512×512×900 voxels"


def test_time_falls_with_the_threads(tmp_path: Path) -> None:
    """Loading the library does not become faster, the network does."""
    one = forecast(tmp_path, "vertebrae_pp", (512, 512, 300), 0.8, threads=1).seconds
    four = forecast(tmp_path, "vertebrae_pp", (512, 512, 300), 0.8, threads=4).seconds
    assert one / 4 < four < one


def test_older_plans_are_read(tmp_path: Path) -> None:
    """nnU-Net 2.0 wrote the first stage's channels under another name."""
    plan = {"patch_size": [64, 64, 64], "UNet_base_num_features": 4}
    write_plans(tmp_path, "total_fast", plan)
    assert forecast(tmp_path, "total_fast", (48, 44, 60), 3.0).memory_mb < 2200


def test_damaged_plans_change_nothing(tmp_path: Path) -> None:
    """A forecast never fails: what cannot be read counts as the published size."""
    plan = {"patch_size": "large", "architecture": {"arch_kwargs": {}}}
    write_plans(tmp_path, "total_fast", plan)
    assert forecast(tmp_path, "total_fast", (122, 101, 112), 3.0).memory_mb > 5000


def test_the_rough_model_counts_for_total(tmp_path: Path) -> None:
    """``total`` runs two models, one after the other: memory is the larger one's, time both's."""
    rough = forecast(tmp_path, "total", (250, 250, 300), 1.5)
    assert rough.memory_mb > 5000
    assert rough.seconds > forecast(tmp_path, "total_fast", (250, 250, 300), 1.5).seconds
