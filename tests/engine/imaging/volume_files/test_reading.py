"""The package's front door: light to import, friendly when a library is missing."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from engine.errors import MissingBackendError
from engine.imaging import volume_files
from engine.imaging.volume_files import ReadForecast, VolumeLimits, read_volume
from engine.imaging.volume_files.results import Watch
from tests.engine.imaging.volume_files.ct_files import nifti, phantom, save, slices


def nifti_file(folder):
    voxels, affine = phantom()
    path = folder / "ct.nii.gz"
    path.write_bytes(gzip.compress(nifti(np.tile(voxels, (8, 8, 8)), affine).to_bytes(), 1))
    return path


def dicom_folder(folder):
    return save(folder, slices(rows=200, columns=240, count=20))


def tilted_folder(folder):
    def change(dataset, k) -> None:
        dataset.ImagePositionPatient[1] = -18 - k

    return save(folder, slices(rows=200, columns=240, count=20, change=change))


def test_public_names_are_those_that_it_lists() -> None:
    """Each name of ``__all__`` opens, and no other does."""
    for name in volume_files.__all__:
        assert getattr(volume_files, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'read_everything'"):
        _ = volume_files.read_everything


def test_importing_opens_no_heavy_library() -> None:
    """Readers are loaded when a file of their kind comes."""
    code = (
        "import sys, engine.imaging.volume_files.reading, engine.imaging.volumes\n"
        "print([m for m in ('nibabel','pydicom','SimpleITK','scipy','torch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_a_missing_library_is_named_with_what_to_do(monkeypatch) -> None:
    """Without nibabel a NIfTI ends in an install line."""
    monkeypatch.setitem(sys.modules, "nibabel", None)
    monkeypatch.delitem(sys.modules, "engine.imaging.volume_files.nifti", raising=False)
    with pytest.raises(MissingBackendError, match="pip install nibabel"):
        read_volume(nifti(*phantom()).to_bytes())


@pytest.mark.parametrize("make", [nifti_file, dicom_folder, tilted_folder])
def test_the_forecast_covers_what_is_allocated(tmp_path, make) -> None:
    """The peak of memory while reading stays below the forecast (tracemalloc sees numpy, too)."""
    path = make(tmp_path)
    heard = []
    read_volume(path, watch=Watch(before_reading=heard.append))  # libraries are loaded now
    tracemalloc.start()
    try:
        found = read_volume(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.volume.voxels.nbytes < peak < heard[0].need_mb * 1e6


def test_a_forecast_counts_four_bytes_for_each_voxel() -> None:
    """512 × 512 × 275 voxels take 288 MB, plus what lies beside them."""
    forecast = ReadForecast.of((512, 512, 275), more_bytes=1e6)
    assert round(forecast.need_mb, 1) == 289.4
    assert VolumeLimits().check_voxels((512, 512, 275)) is None
