"""Weights, a CT, and what the real TotalSegmentator makes of them, for all tests of the path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from engine.imaging.volumes import Volume
from engine.settings import Settings
from engine.spine.phantoms import spine_phantom
from tests.engine.spine import tiny_weights

ROOT = Path(__file__).parents[4]

_PEER = """
import os, sys
os.environ.update({environment!r})
import nibabel as nib
if __name__ == "__main__":
    from totalsegmentator.python_api import totalsegmentator
    answer = totalsegmentator(
        nib.load(sys.argv[1]), None, ml=True, device="cpu", nr_thr_resamp=1, nr_thr_saving=1,
        quiet=True, **{options!r},
    )
    nib.save(answer, sys.argv[2])
"""


@pytest.fixture(scope="session")
def totalseg_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of all three tasks, with decided classes."""
    pytest.importorskip("totalsegmentator")
    home = tmp_path_factory.mktemp("totalseg") / "home"
    size = tiny_weights.NetworkSize(features=(4, 8), convolutions=1, patch=32)
    return tiny_weights.write_weights(home, [297, 292, 803], size=size, decided=True)


@pytest.fixture(scope="session")
def settings(totalseg_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a Lightbox that knows these weights."""
    return Settings(
        home=tmp_path_factory.mktemp("lightbox"),
        totalseg_home=totalseg_home,
        threads=1,
    )


@pytest.fixture(scope="session")
def ct() -> Volume:
    """A CT of whole numbers in an axis order of its own, with slices thicker than pixels."""
    drawn = spine_phantom(
        np.random.default_rng(4),
        levels=("T12", "L3"),
        spacing_mm=(2.6, 2.6, 4.0),
        fov_mm=(130.0, 130.0),
        axis_codes="PIR",
    ).volume
    return Volume(voxels=np.round(drawn.voxels), affine=drawn.affine)


@pytest.fixture(scope="session")
def peer_codes(ct: Volume, totalseg_home: Path, tmp_path_factory: pytest.TempPathFactory):
    """What the real TotalSegmentator answers: codes of ``total`` on the grid of the CT."""
    folder = tmp_path_factory.mktemp("peer")
    image = nib.Nifti1Image(ct.voxels.astype(np.int16), ct.affine)
    nib.save(image, folder / "ct.nii.gz")
    script = folder / "peer.py"
    script.write_text(
        _PEER.format(
            environment=tiny_weights.weights_environment(totalseg_home), options={"fast": True}
        )
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", str(script), "ct.nii.gz", "labels.nii.gz"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return np.asarray(nib.load(folder / "labels.nii.gz").dataobj).astype(np.uint8)
