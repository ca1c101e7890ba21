"""What a whole detection costs: seconds and memory of ``lightbox spine`` on large CTs, and scaling.

``python -m benchmarks.spine_detection [--slices 138 275 550] [--repeat N]``

Draws one patient, brings it to 512×512 voxels of 0.8×0.8×1 mm with so many slices, writes a NIfTI
file (``--dicom``: a DICOM series too), and runs the command line on it in a fresh process, so that
starting, reading, opening the model, measuring, auditing and printing all count. Memory is the
largest sum of the resident sets of the process and its children, asked every 30 ms; pages that
they share count twice. Seconds are the shortest of ``--repeat`` runs, because other load only ever
makes a run longer.

The named peer of the same run is scikit-image's ``resize`` with anti-aliasing, a usual way to bring
a CT to 4 mm: the whole detection, and our own resampling, are compared with it.
Ends with exit code 1 when 275 slices take more than 10 s or 2.0 GB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import psutil
from skimage.transform import resize

from engine.imaging.volumes import Volume
from engine.spine.embedded.reading import coarse_of
from engine.spine.embedded.targets import GRID_MM
from engine.spine.phantoms import spine_phantom

SIDE, SPACING_MM = 512, (0.8, 0.8, 1.0)
LIMIT_S, LIMIT_MB, LIMIT_SLICES = 10.0, 2000.0, 275


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One detection: seconds, MB, and what it found."""

    seconds: float
    peak_mb: float
    names: tuple[str, ...]
    timings_ms: dict[str, float]


def main() -> int:
    """Print the figures; return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("--slices", type=int, nargs="+", default=[138, 275, 550])
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--dicom", action="store_true", help="also as a DICOM series")
    given = parser.parse_args()
    patient = _patient()
    passed = True
    with tempfile.TemporaryDirectory() as folder:
        for count in given.slices:
            volume = _large(patient, count)
            peer_s, ours_s = _resampling(volume)
            path = Path(folder) / f"ct_{count}.nii.gz"
            _write_nifti(volume, path)
            files = [("NIfTI", path)]
            if given.dicom:
                files.append(("DICOM", _write_dicom(volume, Path(folder) / f"ct_{count}")))
            del volume
            for kind, file in files:
                runs = [_run(file) for _ in range(given.repeat)]
                best = min(runs, key=lambda run: run.seconds)
                peak = max(run.peak_mb for run in runs)
                passed &= _told(kind, count, best, peak, peer_s, ours_s)
    return 0 if passed else 1


class _AsWritten(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


def _patient() -> Volume:
    """Draw a trunk from the hips to the neck on coarse voxels, the spine in the middle."""
    drawn = spine_phantom(
        np.random.default_rng(275),
        levels=("C6", "L5"),
        margins_mm=(160.0, 20.0),
        spacing_mm=(2.4, 2.4, 3.0),
    )
    return drawn.volume


def _large(patient: Volume, slices: int) -> Volume:
    """Bring the middle of the patient to a CT of full size, air around it."""
    fine = patient.resampled(SPACING_MM)
    hu = np.full((SIDE, SIDE, slices), -1024.0, np.float32)
    inner, outer = [], []
    for have, want in zip(fine.shape[:2], (SIDE, SIDE), strict=True):
        part = min(have, want)
        inner.append(slice((have - part) // 2, (have - part) // 2 + part))
        outer.append(slice((want - part) // 2, (want - part) // 2 + part))
    depth = min(slices, fine.shape[2])
    first = (fine.shape[2] - depth) // 2
    hu[outer[0], outer[1], :depth] = fine.voxels[inner[0], inner[1], first : first + depth]
    hu += np.random.default_rng(0).normal(0, 12, (SIDE, SIDE, 1)).astype(np.float32)
    return Volume(voxels=np.clip(hu, -1024, 3071), affine=np.diag([*SPACING_MM, 1.0]))


def _resampling(volume: Volume) -> tuple[float, float]:
    """Return seconds of scikit-image's and of our way to 4 mm."""
    sides = np.rint(np.array(volume.shape) * volume.spacing_mm / GRID_MM).astype(int)
    start = time.perf_counter()
    resize(volume.voxels, sides, order=1, anti_aliasing=True, preserve_range=True)
    middle = time.perf_counter()
    coarse_of(volume)
    return middle - start, time.perf_counter() - middle


def _write_nifti(volume: Volume, path: Path) -> None:
    image = nibabel.Nifti1Image(np.rint(volume.voxels).astype(np.int16), volume.affine)
    image.header.set_xyzt_units("mm")
    nibabel.openers.Opener.default_compresslevel = 1
    nibabel.save(image, path)


def _write_dicom(volume: Volume, folder: Path) -> Path:
    """Write a series of uncompressed slices."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir()
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    stored = np.rint(volume.voxels + 1024).astype(np.uint16)
    for k in range(volume.shape[2]):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = CTImageStorage
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.SeriesInstanceUID, data.StudyInstanceUID = series, study
        data.FrameOfReferenceUID = frame
        data.Modality, data.PatientName, data.PatientID = "CT", "Drawn^Patient", "0"
        # axes of the array: i to the right, j to the front; DICOM counts to the left and back
        data.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
        data.ImagePositionPatient = [0, 0, k * SPACING_MM[2]]
        data.PixelSpacing = [SPACING_MM[1], SPACING_MM[0]]
        data.SliceThickness, data.InstanceNumber = SPACING_MM[2], k + 1
        data.Rows, data.Columns = SIDE, SIDE
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation, data.RescaleSlope, data.RescaleIntercept = 0, 1, -1024
        data.PixelData = np.ascontiguousarray(stored[:, :, k].T).tobytes()
        data.save_as(folder / f"{k:04d}.dcm", enforce_file_format=True)
    return folder


def _run(path: Path) -> Run:
    """Run the command line on a file and watch its memory."""
    command = [sys.executable, "-m", "engine.cli", "spine", str(path), "--json"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        memory = _Memory(process.pid)
        memory.start()
        answer, errors = process.communicate()
        seconds = time.perf_counter() - start
        memory.ended.set()
        memory.join()
    if process.returncode:
        raise SystemExit(f"The detection failed: {errors.decode()[-500:]}")
    document = json.loads(answer)
    return Run(
        seconds=seconds,
        peak_mb=memory.peak_mb,
        names=tuple(one["label"] for one in document["vertebrae"]),
        timings_ms=document["timings_ms"],
    )


class _Memory(threading.Thread):
    """Asks a process and its children for their resident memory."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self.peak_mb = 0.0
        self.ended = threading.Event()

    def run(self) -> None:
        """Ask until told to end."""
        while not self.ended.wait(0.03):
            total = 0
            try:
                for process in (self._root, *self._root.children(recursive=True)):
                    total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            self.peak_mb = max(self.peak_mb, total / 1e6)


def _told(kind: str, slices: int, best: Run, peak_mb: float, peer_s: float, ours_s: float) -> bool:
    voxels = SIDE * SIDE * slices / 1e6
    print(
        f"{kind}, {SIDE}×{SIDE}×{slices} ({voxels:.0f} million voxels): {best.seconds:.1f} s, "
        f"{peak_mb:.0f} MB; {best.seconds / peer_s:.1f} times scikit-image's resampling alone "
        f"({peer_s:.1f} s; ours {ours_s:.2f} s, {peer_s / ours_s:.1f} times as fast)"
    )
    steps = ", ".join(f"{name} {ms / 1000:.1f} s" for name, ms in best.timings_ms.items())
    print(f"    {steps}; found {best.names[0]}–{best.names[-1]}" if best.names else f"    {steps}")
    if slices == LIMIT_SLICES and (best.seconds > LIMIT_S or peak_mb > LIMIT_MB):
        print(f"    above the limit of {LIMIT_S:.0f} s and {LIMIT_MB:.0f} MB")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
