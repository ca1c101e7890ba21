"""Drawn CTs through the real thing: HTTP, a worker process, the embedded network, files."""

from __future__ import annotations

import gzip
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pydicom
import pytest
from gradio_client import Client, handle_file
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from engine.settings import Settings
from engine.spine.runner import SpineRunner
from tests.processes import started_here
from tests.ui_gradio.spine.serving import SpineServer, serving_spine
from tests.ui_gradio.spine.stand_ins import phantom


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpineServer]:
    """Return a server whose runner starts real workers."""
    home = tmp_path_factory.mktemp("home")
    runner = SpineRunner(Settings(home=home), folder=home / "runs")
    with serving_spine(runner, home=home) as running:
        yield running


@pytest.fixture(scope="module")
def nifti() -> bytes:
    """Return the drawn lumbar spine as a file."""
    volume = phantom().volume
    image = nibabel.Nifti1Image(np.rint(volume.voxels).astype(np.int16), volume.affine)
    return gzip.compress(image.to_bytes(), compresslevel=1)


def dicom_files() -> list[bytes]:
    """Return the drawn lumbar spine as a series of axial slices, with a patient's name."""
    volume = phantom().volume
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    step = np.abs(np.diag(volume.affine)[:3])
    files = []
    for k in range(volume.shape[2]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one = pydicom.Dataset()
        one.file_meta = meta
        one.SOPClassUID = CTImageStorage
        one.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        one.PatientName, one.PatientID, one.Modality = "Doe^John", "4711", "CT"
        one.SeriesInstanceUID, one.StudyInstanceUID, one.FrameOfReferenceUID = series, study, frame
        one.InstanceNumber = k + 1
        one.Rows, one.Columns = volume.shape[1], volume.shape[0]
        one.PixelSpacing = [float(step[1]), float(step[0])]
        one.SliceThickness = float(step[2])
        one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        one.ImagePositionPatient = [0.0, 0.0, float(k * step[2])]
        one.BitsAllocated = one.BitsStored = 16
        one.HighBit, one.PixelRepresentation = 15, 1
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.RescaleSlope, one.RescaleIntercept = 1, 0
        # RAS+ voxels to columns that run to the left and rows that run to the back.
        pixels = np.rint(volume.voxels[::-1, ::-1, k].T).astype(np.int16)
        one.PixelData = pixels.tobytes()
        file = io.BytesIO()
        one.save_as(file, enforce_file_format=True)
        files.append(file.getvalue())
    return files


def begin(real: SpineServer, *files: bytes) -> str:
    """Upload files, start a run, and return its id."""
    parts = [("files", (f"{n}.dcm", data)) for n, data in enumerate(files)]
    sent = real.http.post(f"{real.page}uploads", files=parts)
    assert sent.status_code == 200, sent.text
    answer = real.http.post(f"{real.page}runs", json={"upload": sent.json()["upload"]})
    assert answer.status_code == 202, answer.text
    return answer.json()["run"]


def events(real: SpineServer, run: str) -> Iterator[dict]:
    """Yield the events of a run."""
    with real.http.stream("GET", f"{real.page}runs/{run}/events") as answer:
        for line in answer.iter_lines():
            if line:
                yield json.loads(line.removeprefix("data: "))


def workers() -> list[psutil.Process]:
    """Return the worker processes of this process, with all that they started."""
    return started_here()


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def left(real: SpineServer) -> list[Path]:
    """Return the files of runs and uploads, drawn examples not counted."""
    return [
        path
        for folder in ("uploads", "runs")
        for base in (real.folder / folder, real.service.settings.home / folder)
        for path in base.rglob("*")
        if path.is_file() and "example-" not in path.name
    ]


def test_a_drawn_ct_comes_back_with_its_vertebrae(real: SpineServer, nifti: bytes) -> None:
    """From upload to label map: the grid is that of the upload, and names are in order."""
    shape = phantom().volume.shape
    sent = real.http.post(f"{real.page}uploads", files={"files": ("ct.nii.gz", nifti)}).json()
    assert sent["input"]["shape"] == list(shape)
    assert sent["forecasts"]["embedded"]["ready"] is True
    run = real.http.post(f"{real.page}runs", json={"upload": sent["upload"]}).json()["run"]
    seen = list(events(real, run))
    assert seen[-1]["state"] == "done", seen[-1]
    shares = [event["progress"] for event in seen]
    assert shares == sorted(shares)
    found = real.http.get(f"{real.page}runs/{run}").json()
    assert found["input"]["shape"] == list(shape)
    assert found["backend"] == "embedded"
    assert "L3" in {one["label"] for one in found["vertebrae"]}
    data = real.http.get(f"{real.page}runs/{run}/files/labels.nii.gz").content
    labels = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    assert labels.shape == shape
    np.testing.assert_allclose(labels.affine, phantom().volume.affine, atol=1e-3)
    for one in found["vertebrae"]:
        low, high = one["bounds"]["min"], one["bounds"]["max"]
        assert all(
            0 <= low[axis] <= high[axis] < side for axis, side in zip("xyz", shape, strict=True)
        )
    assert not (real.folder / "uploads").exists() or not [
        path for path in (real.folder / "uploads").rglob("*") if path.is_file()
    ]
    real.http.delete(f"{real.page}runs/{run}")


def test_a_dicom_folder_is_detected_by_the_plain_route(real: SpineServer) -> None:
    """A form with every file of a series; nothing of the patient is in the answer."""
    files = [("files", (f"Doe^John/IM{n}", data)) for n, data in enumerate(dicom_files())]
    answer = real.http.post(f"{real.url}/api/detect-vertebrae", files=files)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["input"]["kind"], found["input"]["shape"][2]) == (
        "dicom",
        phantom().volume.shape[2],
    )
    assert "Patient's Name" in found["input"]["removed_headers"]
    assert "Doe" not in answer.text
    assert "4711" not in answer.text
    assert "labels.dcm" in found["files"]


def test_gradio_client_gets_progress_and_vertebrae(
    real: SpineServer, nifti: bytes, tmp_path: Path
) -> None:
    """Job iteration with a real file."""
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(nifti)
    job = Client(real.page, verbose=False).submit(
        files=[handle_file(path)], api_name="/detect_vertebrae"
    )
    seen = list(job)
    assert {"queued", "running"} & {one.get("status") for one in seen}
    assert seen[-1]["success"] is True
    assert seen[-1]["audit"]["verdict"] in {"trusted", "ambiguous", "wrong"}


def test_cancelling_leaves_no_process_and_no_file(real: SpineServer) -> None:
    """DELETE in the middle of the work ends the worker with all that it started."""
    before = left(real)
    run = real.http.post(f"{real.page}runs", json={"example": "whole_spine"}).json()["run"]
    until(lambda: real.http.get(f"{real.page}runs/{run}").json()["state"] == "running")
    assert workers()
    assert real.http.delete(f"{real.page}runs/{run}").status_code == 204
    until(lambda: not workers())
    until(lambda: left(real) == before)
    assert real.http.get(f"{real.page}runs/{run}").status_code == 404


def test_a_killed_worker_is_told_and_the_next_run_works(real: SpineServer, nifti: bytes) -> None:
    """The run has failed in words; the one behind it in the line is done."""
    first = real.http.post(f"{real.page}runs", json={"example": "whole_spine"}).json()["run"]
    second = begin(real, nifti)
    until(lambda: real.http.get(f"{real.page}runs/{first}").json()["state"] == "running")
    until(workers)
    for process in workers():
        process.kill()
    last = list(events(real, first))[-1]
    assert (last["state"], last["error"]["code"]) == ("failed", "memory_short")
    assert real.http.get(f"{real.page}runs/{first}").status_code == 507
    assert list(events(real, second))[-1]["state"] == "done"


def test_what_is_no_ct_is_told_by_the_look(real: SpineServer) -> None:
    """The reader's own sentence, before anything is run; nothing stays."""
    before = left(real)
    answer = real.http.post(f"{real.page}uploads", files={"files": ("ct.nii", b"hello")})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_volume"
    assert left(real) == before


def test_health_answers_while_it_works(real: SpineServer) -> None:
    """During a detection and a large upload, health takes no longer than a blink."""
    run = real.http.post(f"{real.page}runs", json={"example": "lumbar"}).json()["run"]
    head = b'--e\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n'

    def large() -> Iterator[bytes]:
        yield head
        for _ in range(100):
            yield bytes(1_000_000)
        yield b"\r\n--e--\r\n"

    def send() -> None:
        kind = {"Content-Type": "multipart/form-data; boundary=e"}
        real.http.post(f"{real.page}uploads", content=large(), headers=kind)

    sender = threading.Thread(target=send)
    sender.start()
    times = []
    for _ in range(15):
        began = time.perf_counter()
        assert real.http.get(f"{real.url}/api/health").status_code == 200
        times.append(time.perf_counter() - began)
        time.sleep(0.05)
    sender.join()
    real.http.delete(f"{real.page}runs/{run}")
    assert sorted(times)[len(times) // 2] < 1.0  # 0.2 s on a machine with nothing else to do
