"""TotalSegmentator against our own prediction with the same weights: time, memory, same result.

Run: ``python -m benchmarks.nnunet_path [--ct FILE.nii.gz] [--times 2 2 2] [--quick]``

Needs ``pip install 'lightbox-imaging[spine]'`` and no download: the weights are random, in folders
laid out like the published ones, with a network of the published size (6 stages of 32 to 320
channels, two convolutions each, patch 128³, 118 classes). How long a network takes does not depend
on its weights, but whether two runtimes agree does: with random scores thousands of voxels are
ties. So one channel carries the CT number, a little blurred, through all layers at full resolution,
and the last layer makes two classes of its ranges, with a tenth of the random scores on top: the
classes are decided, as in a trained network.

Each way runs in a process of its own, from the start of Python to the labels on the disk. Memory is
the highest sum of resident memory over the process and all its children, sampled 50 times a second.
The CT is ``totalseg_example`` (122×101×112 voxels of 3 mm) and the same CT repeated. ``--quick``: a
tiny network on a drawn CT. Converting the weights, once for each model, is timed apart.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import nibabel as nib
import numpy as np
import psutil
from numpy.typing import NDArray

_SHARED = Path(__file__).parents[2] / "shared" / "data"
_MODEL = 297


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run: seconds of clock and of processors, highest MB of the process tree, the labels."""

    seconds: float
    cpu_s: float
    peak_mb: float
    labels: NDArray[np.uint8]

    def figures(self) -> dict[str, float]:
        """Return what is printed."""
        return {
            "s": round(self.seconds, 1),
            "cpu_s": round(self.cpu_s, 1),
            "mb": round(self.peak_mb),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--ct", type=Path, default=_SHARED / "ct" / "totalseg_example" / "images" / "ct.nii.gz"
    )
    parser.add_argument("--times", type=int, nargs=3, default=[2, 2, 2], help="the large CT")
    parser.add_argument("--small-only", action="store_true", help="without the large CT")
    parser.add_argument("--precision", default="auto", choices=["auto", "f32", "bf16"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--role", choices=["totalsegmentator", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "totalsegmentator":
        _run_totalsegmentator(arguments.ct, arguments.folder)
    elif arguments.role == "ours":
        _run_ours(arguments.ct, arguments.folder, arguments.precision)
    else:
        _measure(arguments)


def _measure(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ct = _drawn_ct(folder) if arguments.quick else arguments.ct
        _make_weights(folder, is_tiny=arguments.quick)
        small = _compare(ct, folder, arguments.precision)
        report = {"small": small}
        if not (arguments.quick or arguments.small_only):
            large = _repeated(ct, arguments.times, folder)
            report["large"] = _compare(large, folder, arguments.precision)
    print(json.dumps(report, indent=1))


def _compare(ct: Path, folder: Path, precision: str) -> dict[str, Any]:
    """Run both ways on a CT and print what came out."""
    shape = nib.load(ct).shape
    print(f"CT of {'×'.join(map(str, shape))} voxels; load of the machine {os.getloadavg()[0]:.1f}")
    ours = _timed("ours", ct, folder, precision)
    peer = _timed("totalsegmentator", ct, folder, precision)
    dice = _dice(peer.labels, ours.labels)
    figures = {
        "totalsegmentator": peer.figures(),
        "ours": ours.figures(),
        "times_less_cpu": round(peer.cpu_s / ours.cpu_s, 1),
        "times_faster": round(peer.seconds / ours.seconds, 1),
        "share_of_memory": round(ours.peak_mb / peer.peak_mb, 3),
        "mean_dice": round(float(np.mean(list(dice.values()))), 4),
        "dice": {str(code): round(value, 4) for code, value in dice.items()},
        "equal_voxels": round(float((peer.labels == ours.labels).mean()), 5),
    }
    print(json.dumps(figures))
    return figures


def _timed(role: str, ct: Path, folder: Path, precision: str) -> Measured:
    """Run one way in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.nnunet_path", "--role", role]
    command += ["--ct", str(ct), "--folder", str(folder), "--precision", precision]
    start, before, peak = time.perf_counter(), _children_cpu_s(), 0.0
    with (folder / f"{role}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        while process.poll() is None:
            peak = max(peak, _tree_mb(process.pid))
            time.sleep(0.02)
    seconds = time.perf_counter() - start
    if process.returncode:
        text = (folder / f"{role}.log").read_text()[-2000:]
        raise SystemExit(f"{role} ended with {process.returncode}:\n{text}")
    return Measured(
        seconds=seconds,
        cpu_s=_children_cpu_s() - before,
        peak_mb=peak,
        labels=np.load(folder / f"{role}.npy"),
    )


def _children_cpu_s() -> float:
    """Return the processor time of all processes below this one that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree_mb(pid: int) -> float:
    """Return the resident memory of a process and all below it."""
    try:
        root = psutil.Process(pid)
        parts = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0
    for part in parts:
        try:
            total += part.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def _dice(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> dict[int, float]:
    """Return Dice of each code above 0 that either map has."""
    codes = np.union1d(np.unique(one), np.unique(other))
    return {
        int(code): float(
            2
            * ((one == code) & (other == code)).sum()
            / ((one == code).sum() + (other == code).sum())
        )
        for code in codes
        if code
    }


def _run_totalsegmentator(ct: Path, folder: Path) -> None:
    """Run the real TotalSegmentator, as sparing as it can be: no pool for saving."""
    from tests.engine.spine.tiny_weights import weights_environment

    os.environ.update(weights_environment(folder / "totalseg"))
    from totalsegmentator.map_to_binary import class_map
    from totalsegmentator.python_api import totalsegmentator

    from engine.spine.nnunet.mapping import code_table

    answer = totalsegmentator(
        nib.load(ct), None, fast=True, ml=True, device="cpu", nr_thr_resamp=1, nr_thr_saving=1,
        quiet=True,
    )  # fmt: skip
    table = code_table({0: "background", **class_map["total"]})
    labels = np.asarray(answer.dataobj).astype(np.uint8)
    np.save(folder / "totalsegmentator.npy", table.to_ours[labels])


def _run_ours(ct: Path, folder: Path, precision: str) -> None:
    from engine.imaging.volumes import Volume
    from engine.settings import Settings
    from engine.spine.nnunet import NnunetSegmenter
    from engine.spine.segmenters import RunWatch

    image = nib.load(ct)
    volume = Volume(voxels=np.asarray(image.dataobj, np.float32), affine=image.affine)
    settings = Settings(
        home=folder / "home", totalseg_home=folder / "totalseg", precision=precision
    )
    found = NnunetSegmenter(settings).segment(volume, RunWatch())
    np.save(folder / "ours.npy", found.labels)


def _make_weights(folder: Path, *, is_tiny: bool) -> None:
    """Write random weights whose classes are decided by the CT number; convert them, timed."""
    from engine.spine.nnunet.conversion import converted_model
    from tests.engine.spine import tiny_weights

    size = tiny_weights.TINY if is_tiny else tiny_weights.FULL_SIZE
    home = tiny_weights.write_weights(folder / "totalseg", [_MODEL], size=size, decided=True)
    start = time.perf_counter()
    converted_model(tiny_weights.model_folder(home, _MODEL), folder / "home/models/openvino")
    print(f"weights converted, once, in {time.perf_counter() - start:.1f} s")


def _repeated(ct: Path, times: list[int], folder: Path) -> Path:
    """Write a CT that is the first one side by side."""
    image = nib.load(ct)
    path = folder / "large.nii"
    nib.save(nib.Nifti1Image(np.tile(np.asarray(image.dataobj), times), image.affine), path)
    return path


def _drawn_ct(folder: Path) -> Path:
    """Write a small CT that we draw ourselves."""
    from engine.spine.phantoms import spine_phantom

    drawn = spine_phantom(np.random.default_rng(0), levels=("T11", "L4"), spacing_mm=3.0)
    volume = drawn.volume
    path = folder / "drawn.nii.gz"
    nib.save(nib.Nifti1Image(volume.voxels.astype(np.int16), volume.affine), path)
    return path


if __name__ == "__main__":
    main()
